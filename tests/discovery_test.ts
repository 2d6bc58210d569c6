/** A deployment that is found, described and read by web pages, at a provider that serves. */
import assert from "node:assert/strict";
import { startMarket } from "../worlds/market.ts";

const MAIN = "#!/bin/sh\nprintf 'HTTP/1.1 200 OK\\r\\n\\r\\nhello'\n";
const ABOUT = {
  description: "Says hello. In Georgian.",
  input: { type: "text", example: "Nino" },
  output: { type: "text", example: "gamarjoba" },
  tags: ["hello"],
};
const ORIGIN = "https://app.example";
const CORS = { origins: [ORIGIN] };

Deno.test("a deployment is found as its owner signed, and as no other did", async (t) => {
  await using market = await startMarket();
  const { payer } = market.accounts;
  const program = { main: MAIN };
  const paid = { access: "payer", about: ABOUT, cors: CORS };
  const found = await market.deploy({ files: program, fields: paid });
  const free = await market.deploy({ files: program, fields: { about: ABOUT } });
  const secret = await market.deploy({ files: program, fields: { access: "payer" } });
  const post = { method: "POST", body: "Nino" };
  const listed = async () => {
    const answer = await fetch(`${market.provider.url}/openapi.json`);
    assert.equal(answer.headers.get("access-control-allow-origin"), "*");
    return (await answer.json()).paths;
  };
  const preflight = async (origin: string) => {
    const asks = { origin, "access-control-request-method": "POST" };
    const answer = await market.call(found, { method: "OPTIONS", headers: asks });
    assert.equal(answer.status, 204);
    return answer.headers.get("access-control-allow-origin");
  };

  await t.step("nothing is known of it before it is called", async () => {
    assert.deepEqual(await listed(), {});
    assert.equal(await preflight("https://evil.example"), "*");
    assert.deepEqual(await listed(), {}, "a preflight looks nothing up");
  });

  await t.step("a 402 says what it is, and lists nothing that nobody paid for", async () => {
    const answer = await market.call(found, post);
    await answer.body?.cancel();
    const required = JSON.parse(atob(answer.headers.get("payment-required")!));
    assert.deepEqual([answer.status, required.resource.description], [402, ABOUT.description]);
    assert.equal(required.extensions.bazaar.info.input.body, "Nino");
    assert.deepEqual(await listed(), {});
  });

  await t.step("preflights are answered as its owner signed, now that it is open", async () => {
    assert.equal(await preflight("https://evil.example"), null);
    assert.equal(await preflight(ORIGIN), ORIGIN);
  });

  const pay = await market.pay(payer);
  const call = async (cid: string, headers: Record<string, string> = {}) => {
    const answer = await market.call(cid, { ...post, headers });
    assert.deepEqual([answer.status, await answer.text()], [200, "hello"]);
    return answer.headers;
  };

  await t.step("its pages read what they paid for", async () => {
    const headers = await call(found, { ...pay, origin: ORIGIN });
    assert.equal(headers.get("access-control-allow-origin"), ORIGIN);
    assert.match(headers.get("access-control-expose-headers")!, /PAYMENT-RESPONSE/);
    assert.match(headers.get("vary")!, /Origin/);
    const others = await call(found, { ...pay, origin: "https://evil.example" });
    assert.equal(others.get("access-control-allow-origin"), null);
  });

  await t.step("once paid for it is listed, with a price where callers pay", async () => {
    await call(free);
    await call(secret, pay);
    const paths = await listed();
    assert.deepEqual(Object.keys(paths).sort(), [`/${found}`, `/${free}`].sort());
    const { summary, "x-payment-info": info, responses } = paths[`/${found}`].post;
    assert.deepEqual([summary, info.price.currency], ["Says hello.", "USD"]);
    assert.deepEqual(Object.keys(responses), ["200", "402"]);
    assert.equal(paths[`/${free}`].post["x-payment-info"], undefined);
  });

  await t.step("a start remembers it, and terms that count no more end it", async () => {
    await market.restart();
    assert.equal(Object.keys(await listed()).length, 2);
    await Deno.writeTextFile(`${market.home}/new.txt`, "Other terms.\n");
    await market.restart({ terms: ["new.txt"] });
    assert.deepEqual(await listed(), {});
    await market.restart();
    assert.equal(Object.keys(await listed()).length, 2);
  });
});
