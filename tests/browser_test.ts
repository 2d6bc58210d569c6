/** A web page of another origin that calls deployments and pays for itself, in a real browser. */
import assert from "node:assert/strict";
import { CHROMIUM, documentAt, runInPage } from "../worlds/browser.ts";
import { startMarket } from "../worlds/market.ts";
import { spent } from "../worlds/refuses.ts";

const SILENT = "#!/bin/sh\nprintf 'HTTP/1.1 200 OK\\r\\n\\r\\nhello'\n";
const OPEN = "#!/bin/sh\n" +
  "printf 'HTTP/1.1 200 OK\\r\\nAccess-Control-Allow-Origin: *\\r\\n\\r\\nhello'\n";

/** What a page sees of an answer; null where the browser does not let it. */
const ASK = `const ask = async (url, init) => {
  const answer = await fetch(url, init).catch(() => null);
  if (answer === null) return null;
  const { status, headers } = answer;
  return { status, headers: Object.fromEntries(headers), body: await answer.text() };
};`;

interface Seen {
  status: number;
  headers: Record<string, string>;
  body: string;
}

Deno.test(
  { name: "a page of another origin pays for itself", ignore: CHROMIUM === null },
  async () => {
    await using market = await startMarket();
    const { payer } = market.accounts;
    const [open, silent] = [
      await market.deploy({ files: { main: OPEN }, fields: { access: "payer" } }),
      await market.deploy({ files: { main: SILENT }, fields: { access: "payer" } }),
    ];
    const { url } = market.provider;
    const pay = await market.pay(payer);
    const post = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
    const paid = { ...post, headers: { ...post.headers, ...pay } };
    const keyed = { ...paid, headers: { ...paid.headers, "idempotency-key": "once" } };
    const asked: Record<string, [string, RequestInit]> = {
      unpaid: [`${url}/${open}`, post],
      paid: [`${url}/${open}`, paid],
      put: [`${url}/${open}/a`, { ...paid, method: "PUT" }],
      keyed: [`${url}/${open}`, keyed],
      replayed: [`${url}/${open}`, keyed],
      withCredentials: [`${url}/${open}`, { ...paid, credentials: "include" }],
      silent: [`${url}/${silent}`, paid],
      missing: [`${url}/bafynope`, {}],
      terms: [`${url}/terms`, {}],
      lane: [`${url}/lane`, { headers: pay }],
      options: [`${url}/terms`, { method: "OPTIONS" }],
    };
    const before = await spent(market, payer);
    const seen = await runInPage(
      CHROMIUM!,
      `${ASK}
    const seen = {};
    for (const [name, [url, init]] of Object.entries(${JSON.stringify(asked)})) {
      seen[name] = await ask(url, init);
    }
    return seen;`,
    ) as Record<string, Seen | null>;

    assert.equal(seen.unpaid?.status, 402);
    assert.equal(JSON.parse(seen.unpaid!.body).error, "payment_required");
    const asked402 = JSON.parse(atob(seen.unpaid!.headers["payment-required"]!));
    assert.ok(asked402.accepts.length > 0);
    assert.equal(asked402.resource.url, `http://provider.test/${open}`);
    for (const name of ["paid", "put", "keyed", "replayed"]) {
      const { status, body, headers } = seen[name]!;
      assert.deepEqual([status, body], [200, "hello"], name);
      for (const told of ["payment-response", "khachapuri-receipt", "khachapuri-credits-left"]) {
        assert.ok(headers[told], `${name}: ${told}`);
      }
    }
    assert.equal(seen.replayed!.headers["idempotency-replayed"], "true");
    // The browser's cookies go nowhere, and what a program keeps to itself no page reads.
    assert.equal(seen.withCredentials, null);
    assert.equal(seen.silent, null);
    assert.equal(JSON.parse(seen.missing!.body).error, "invalid_cid");
    assert.equal(seen.terms?.status, 200);
    assert.equal(JSON.parse(seen.lane!.body).payer, payer.address);
    assert.deepEqual([seen.options!.status, seen.options!.headers.allow], [
      204,
      "GET, HEAD, OPTIONS",
    ]);
    // Preflights, refusals and the replay were free.
    assert.equal(await spent(market, payer) - before, 4n);
  },
);

Deno.test(
  {
    name: "a browser that goes to a call that nobody pays shows how to",
    ignore: CHROMIUM === null,
  },
  async () => {
    await using market = await startMarket();
    const cid = await market.deploy({ files: { main: OPEN }, fields: { access: "payer" } });
    const called = `/${cid}/a?b=%2f`;
    const shown = await documentAt(CHROMIUM!, `${market.provider.url}${called}`);
    assert.match(shown, /<h1>This call has to be paid for<\/h1>/);
    assert.match(shown, /0\.001 USDC a credit/);
    assert.ok(shown.includes(`href="/pay?call=${encodeURIComponent(called)}"`), shown);
    assert.ok(shown.includes(`khachapuri call --pay 'http://provider.test${called}'`), shown);
    // What needs no payment is an error to it as to anybody.
    assert.match(await documentAt(CHROMIUM!, `${market.provider.url}/bafynope`), /"invalid_cid"/);
  },
);
