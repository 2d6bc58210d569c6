/** A provider as its callers meet it: real chain, USDC, gateway, age, sandbox and HTTP. */
import assert from "node:assert/strict";
import { readAllowance, readConsumed, revoke } from "../lib/chain/escrow.ts";
import { decodePaymentResponse } from "../lib/payment_header.ts";
import { deploymentLane } from "../lib/permit.ts";
import { signStop } from "../lib/spec/stop.ts";
import { signOwnerRequest } from "../lib/spec/owner_request.ts";
import { eachLauncher } from "../worlds/sandbox/launchers.ts";
import { untilMined } from "../worlds/chain/blocks.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { startMarket, TERMS } from "../worlds/market.ts";
import { refuses, spent } from "../worlds/refuses.ts";

const ECHO = `#!/bin/sh
printf 'HTTP/1.1 201 Made\\r\\ncontent-type: text/plain\\r\\n'
printf 'x-method: %s\\r\\n\\r\\n' "$REQUEST_METHOD"
printf 'args:'; printf ' %s' "$@"; printf '\\nbody: '
cat
`;
const HELLO = "#!/bin/sh\necho hello $NAME\n";

eachLauncher("a deployment answers, and each answer costs one credit", async (sandbox, t) => {
  await using market = await startMarket({ settings: { sandbox } });
  const { owner, payer } = market.accounts;
  const echo = await market.deploy({ files: { main: ECHO } });

  await t.step("the owner pays by default", async () => {
    const before = await spent(market, owner);
    const response = await market.call(`${echo}/a/b?x=1`, { method: "POST", body: "data" });
    const text = await response.text();
    assert.equal(response.status, 201);
    assert.equal(response.headers.get("x-method"), "POST");
    assert.equal(response.headers.get("payment-response"), null);
    assert.match(
      text,
      /^args: -q -g -s -S -i -X POST .*--data-binary @- http:\/\/provider\.test\//,
    );
    assert.match(text, new RegExp(`${echo}/a/b\\?x=1\nbody: data$`));
    assert.equal(await spent(market, owner) - before, 1n);
  });

  await t.step("a caller's permit makes the caller pay, and tells it what is left", async () => {
    const before = await spent(market, owner);
    const headers = await market.pay(payer);
    const response = await market.call(echo, { headers });
    await response.body?.cancel();
    const notice = decodePaymentResponse(response.headers.get("payment-response")!);
    assert.equal(notice.payer, payer.address);
    assert.equal(notice.cumulativeCredits, 1n);
    assert.equal(notice.availableCredits, 999n);
    assert.equal(await spent(market, owner), before);
    assert.equal(await spent(market, payer), 1n);
  });

  await t.step("a program's env comes from the spec, and its errors go to the owner", async () => {
    const cid = await market.deploy({
      files: { main: "#!/bin/sh\necho hello $NAME; echo grumble >&2\n" },
      fields: { env: { NAME: "Tbilisi" } },
    });
    const response = await market.call(cid);
    assert.equal(await response.text(), "hello Tbilisi\n");
    const expires = BigInt(Math.floor(Date.now() / 1000) + 60);
    const provider = market.accounts.provider.address;
    const at = { chainId: market.chain.chainId, escrow: market.escrow };
    const question = { action: "logs" as const, subject: cid, provider, expires, ...at };
    const ask = async (account: typeof owner) => {
      const body = JSON.stringify(await signOwnerRequest(account, question));
      return await fetch(`${market.provider.url}/logs`, { method: "POST", body });
    };
    const { runs } = await (await ask(owner)).json();
    assert.equal(runs.length, 1);
    assert.equal(runs[0].stderr, "grumble\n");
    const stranger = await ask(market.accounts.stranger);
    assert.equal(stranger.status, 404);
    await stranger.body?.cancel();
  });

  await t.step("the subdomain form works and has no sandbox policy", async () => {
    const connection = await Deno.connect({
      hostname: "127.0.0.1",
      port: Number(new URL(market.provider.url).port),
    });
    const head = `GET /p HTTP/1.1\r\nHost: ${echo}.provider.test\r\nConnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(head));
    const text = await new Response(connection.readable).text();
    assert.match(text, /^HTTP\/1\.1 201/);
    assert.match(text, new RegExp(`http://${echo}\\.provider\\.test/p`));
    assert.doesNotMatch(text, /content-security-policy/i);
  });

  await t.step(
    "under a path the answer is sandboxed and headers of money are dropped",
    async () => {
      const cid = await market.deploy({
        files: {
          main: "#!/bin/sh\nprintf 'HTTP/1.1 200 OK\\r\\nPAYMENT-RESPONSE: eHg=\\r\\n" +
            "Set-Cookie: a=b\\r\\nPayment-Required: eHg=\\r\\n\\r\\nok'\n",
        },
      });
      const response = await market.call(cid);
      assert.equal(await response.text(), "ok");
      assert.equal(response.headers.get("payment-response"), null);
      assert.equal(response.headers.get("payment-required"), null);
      assert.equal(response.headers.get("set-cookie"), null);
      assert.equal(response.headers.get("content-security-policy"), "sandbox");
    },
  );

  await t.step("a program never sees payment headers", async () => {
    const cid = await market.deploy({ files: { main: '#!/bin/sh\necho "$@"; env\n' } });
    const headers = await market.pay(payer);
    const text = await (await market.call(cid, { headers: { ...headers, "x-a": "1" } })).text();
    assert.match(text, /x-a: 1/i);
    assert.doesNotMatch(text, /payment/i);
    assert.ok(!text.includes(headers["PAYMENT-SIGNATURE"]!.slice(20, 60)));
  });
});

Deno.test("failures of a program cost a credit, failures of ours none", async (t) => {
  await using market = await startMarket();
  const { owner } = market.accounts;

  await t.step("a program that fails without a word is a 502", async () => {
    const cid = await market.deploy({ files: { main: "#!/bin/sh\nexit 3\n" } });
    const before = await spent(market, owner);
    const response = await market.call(cid);
    assert.equal(response.status, 502);
    assert.equal((await response.json()).error, "program_failed");
    assert.equal(await spent(market, owner) - before, 1n);
  });

  await t.step("a program that takes too long is a 504", async () => {
    const cid = await market.deploy({
      files: { main: "#!/bin/sh\nsleep 60\n" },
      fields: {
        limits: { timeoutMs: 300, memoryMb: 64, concurrency: 1, ownerCreditsPerMinute: 60 },
      },
    });
    const response = await market.call(cid);
    assert.equal(response.status, 504);
    assert.equal((await response.json()).error, "program_timeout");
  });

  await t.step("a program without its entrypoint is refused", async () => {
    const cid = await market.deploy({ files: { other: HELLO } });
    await refuses(market, market.call(cid), 422, "invalid_program");
  });

  await t.step("a program that is no zip is refused", async () => {
    const garbage = await market.publish(new TextEncoder().encode("not a zip"));
    const cid = await market.deploy({
      files: { main: HELLO },
      fields: { program: { cid: garbage, entrypoint: "./main", args: [] } },
    });
    await refuses(market, market.call(cid), 422, "invalid_program");
  });

  await t.step("a credit that our side did not use prepays the next call", async () => {
    const cid = await market.deploy({
      files: { main: "#!/bin/sh\nread word; [ $word = wait ] && sleep 60; echo done\n" },
      fields: {
        limits: { timeoutMs: 15_000, memoryMb: 64, concurrency: 1, ownerCreditsPerMinute: 60 },
      },
    });
    const before = await spent(market, owner);
    const broken = market.call(cid, { method: "POST", body: "wait\n" }).catch(() => null);
    await untilMined(market.rpc, async () => await spent(market, owner) > before);
    // The provider goes down in the middle of the run.
    await market.restart();
    await (await broken)?.body?.cancel();
    const response = await market.call(cid, { method: "POST", body: "go\n" });
    assert.equal(await response.text(), "done\n");
    assert.equal(await spent(market, owner) - before, 1n);
  });

  await t.step("a body that proves too large costs what a run costs", async () => {
    const cid = await market.deploy({ files: { main: "#!/bin/sh\ncat >/dev/null; echo done\n" } });
    const before = await spent(market, owner);
    // Chunked, so that its size is only known once the run has begun.
    const chunk = new Uint8Array(1 << 20);
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        if (sent++ < 18) controller.enqueue(chunk);
        else controller.close();
      },
    });
    const ended = market.logged("run ended");
    const refused = await market.call(cid, { method: "POST", body }).catch(() => null);
    await refused?.body?.cancel();
    await ended;
    const response = await market.call(cid, { method: "POST", body: "x" });
    assert.equal(await response.text(), "done\n");
    assert.equal(await spent(market, owner) - before, 2n);
  });
});

Deno.test("credits end where the payer says", async (t) => {
  await using market = await startMarket({ credits: 3n });
  const { payer, provider, owner } = market.accounts;
  const hello = await market.deploy({ files: { main: HELLO } });

  await t.step("what thaws is not served against", async () => {
    await revoke(market.chain, payer, market.escrow, provider.address, 2n);
    await market.restart();
    const headers = await market.pay(payer);
    assert.equal(await (await market.call(hello, { headers })).text(), "hello\n");
    const refused = await market.call(hello, { headers });
    assert.equal(refused.status, 402);
    await refused.body?.cancel();
  });

  await t.step("the allowance's last credit is served and the next call refused", async () => {
    for (const _ of [1, 2, 3]) assert.equal(await (await market.call(hello)).text(), "hello\n");
    const refused = await market.call(hello);
    assert.equal(refused.status, 402);
    const { message } = await refused.json();
    assert.match(message, /owner's credits do not cover/);
    const held = await readAllowance(market.chain, market.escrow, owner.address, provider.address);
    assert.equal(held.credits, 0n);
  });
});

Deno.test("an owner ends a deployment for good", async () => {
  await using market = await startMarket();
  const { owner, stranger, provider } = market.accounts;
  const spec = await market.spec({ files: { main: HELLO } });
  const cid = await market.publishSpec(spec);
  await (await market.call(cid)).body?.cancel();
  const stop = async (account: typeof owner) => {
    const at = { chainId: market.chain.chainId, escrow: market.escrow };
    const stop = { id: spec.id, provider: provider.address, ...at };
    const signature = await signStop(account, stop);
    const body = JSON.stringify({ cid, signature });
    return await fetch(`${market.provider.url}/stop`, { method: "POST", body });
  };
  const forged = await stop(stranger);
  assert.equal(forged.status, 403);
  await forged.body?.cancel();
  assert.deepEqual(await (await stop(owner)).json(), { stopped: cid });
  await refuses(market, market.call(cid), 410, "stopped");
  await market.restart();
  await refuses(market, market.call(cid), 410, "stopped");
});

Deno.test("the provider says what it offers", async () => {
  await using market = await startMarket();
  const get = (path: string, headers: HeadersInit = {}) =>
    fetch(market.provider.url + path, { headers });
  const offering = await (await get("/")).json();
  assert.equal(offering.accepts[0].amount, String(PRICE));
  assert.deepEqual(offering.recipients, [market.recipient]);
  const page = await (await get("/", { accept: "text/html" })).text();
  assert.match(page, /<h1>provider\.test<\/h1>/);
  assert.deepEqual(await (await get("/terms")).bytes(), TERMS);
  assert.equal((await (await get("/healthz")).json()).ok, true);
});

Deno.test("without the chain nobody is served and nobody is charged", async () => {
  await using market = await startMarket();
  const hello = await market.deploy({ files: { main: HELLO } });
  const before = await readConsumed(
    market.chain,
    market.escrow,
    market.accounts.owner.address,
    market.accounts.provider.address,
    deploymentLane(`0x${"00".repeat(32)}`),
  );
  assert.equal(before, 0n);
  await market.stopChain();
  const response = await market.call(hello);
  assert.equal(response.status, 503);
  assert.equal((await response.json()).error, "chain_unavailable");
  const health = await fetch(`${market.provider.url}/healthz`);
  assert.equal(health.status, 503);
  await health.body?.cancel();
});
