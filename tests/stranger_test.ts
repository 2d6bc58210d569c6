/** What strangers, and deployers with a credit or none, can't make a provider do. */
import assert from "node:assert/strict";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { signDeposit } from "../lib/chain/onboarding.ts";
import { formatCid } from "../lib/cid.ts";
import { importFile } from "../lib/ipfs/dag.ts";
import { depositToJson } from "../lib/deposit_authorization.ts";
import { UINT128_MAX } from "../lib/permit.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const HELLO = "#!/bin/sh\necho hello\n";
/** Nothing settles by itself within a test. */
const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };

/** A gateway that takes every request and answers none. */
function startSilentGateway(awaited: string) {
  const requests = new Set<PromiseWithResolvers<Response>>();
  const asked = Promise.withResolvers<void>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    if (url.includes(awaited)) asked.resolve();
    const answer = Promise.withResolvers<Response>();
    requests.add(answer);
    return answer.promise;
  });
  const refuse = () => {
    for (const { resolve } of requests) resolve(new Response(null, { status: 404 }));
  };
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    /** Resolves when somebody has asked for the cid that is awaited. */
    asked: asked.promise,
    /** Answers after all that it has nothing. */
    refuse,
    async [Symbol.asyncDispose]() {
      refuse();
      await server.shutdown();
    },
  };
}

/** Sends bytes as they are and returns all that comes back. */
async function exchange(market: Market, text: string): Promise<string> {
  const port = Number(new URL(market.provider.url).port);
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(text));
  return await new Response(connection.readable).text();
}

async function sum(market: Market, metric: string): Promise<number> {
  const text = await (await fetch(`${market.provider.url}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(metric));
  return lines.reduce((total, line) => total + Number(line.split(" ").at(-1)), 0);
}

Deno.test("a program that nobody has holds no slot of the provider", async () => {
  const nothing = formatCid(importFile(new TextEncoder().encode("nobody has this")).root);
  await using silent = startSilentGateway(nothing);
  await using market = await startMarket({
    alsoGateways: [silent.url],
    settings: { settlement: BATCH, sandbox: { concurrency: 2 } },
  });
  const hello = await market.deploy({ files: { main: HELLO } });
  assert.equal(await (await market.call(hello)).text(), "hello\n");
  const spec = await market.spec({ files: { main: HELLO } });
  const lost = await market.publishSpec({ ...spec, program: { ...spec.program, cid: nothing } });
  const controller = new AbortController();
  const { signal } = controller;
  const stuck = [1, 2, 3, 4].map(() => market.call(lost, { signal }).catch(() => null));
  await silent.asked;
  assert.equal(await (await market.call(hello)).text(), "hello\n");
  controller.abort();
  silent.refuse();
  await Promise.all(stuck);
});

Deno.test("strangers and hostile programs get nothing for free", async (t) => {
  await using market = await startMarket({
    settings: {
      settlement: BATCH,
      onboarding: { minimum: "100000", perMinute: 3 },
      sandbox: { requestBytes: 1 << 20 },
    },
  });
  const { chain, usdc, accounts: { payer, provider } } = market;

  await t.step("a request without a URL is a bad request", async () => {
    for (const host of ["%%%", "a b[", "a:99999", "[::"]) {
      const head = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
      assert.match(await exchange(market, head), /^HTTP\/1\.1 400 [^]*"invalid_input"/);
    }
  });

  await t.step("work on a body that proves too large is work", async () => {
    const cid = await market.deploy({ files: { main: "#!/bin/sh\ncat >/dev/null\n" } });
    let left = 2;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left-- > 0) controller.enqueue(new Uint8Array(1 << 20));
        else controller.close();
      },
    });
    const init = { method: "POST", body, duplex: "half" } as RequestInit;
    const response = await market.call(cid, init);
    assert.equal(response.status, 413);
    await response.body?.cancel();
    assert.equal(await sum(market, "khachapuri_unsettled_usdc_base_units "), Number(PRICE));
  });

  await t.step("no cache may keep what a caller paid for", async () => {
    const head = "HTTP/1.1 200 OK\\r\\ncache-control: public, max-age=9\\r\\n\\r\\n";
    const cid = await market.deploy({ files: { main: `#!/bin/sh\nprintf '${head}mine'\n` } });
    const cacheControl = async (headers = {}) => {
      const response = await market.call(cid, { headers });
      assert.equal(await response.text(), "mine");
      return response.headers.get("cache-control");
    };
    assert.equal(await cacheControl(), "public, max-age=9");
    assert.equal(await cacheControl(await market.pay(payer)), "no-store");
  });

  await t.step("what other providers of a deployment hold of it tells them no count", async () => {
    const lane = `0x${"2b".repeat(32)}` as const;
    const ask = async (credits: bigint) => {
      const headers = await market.pay(payer, { lane, credits });
      const response = await fetch(`${market.provider.url}/lane`, { headers });
      await response.body?.cancel();
      return response.status;
    };
    assert.equal(await ask(0n), 200);
    assert.equal(await ask(UINT128_MAX), 402);
  });

  await t.step("junk in a payer's name does not stand in for its deposit", async () => {
    const account = privateKeyToAccount(generatePrivateKey());
    await market.mint(account, 1_000_000n);
    const good = await signDeposit(chain, account, {
      escrow: market.escrow,
      usdc,
      provider: provider.address,
      amount: 500_000n,
      pricePerCredit: PRICE,
      credits: 500n,
      lifetimeSeconds: 600n,
    });
    const onboard = (deposit: typeof good) =>
      fetch(`${market.provider.url}/onboard`, {
        method: "POST",
        body: JSON.stringify({ payer: account.address, deposit: depositToJson(deposit) }),
      });
    const junk = { ...good, credits: 499n };
    const answers = await Promise.all([junk, junk, good, junk].map(onboard));
    for (const answer of answers) await answer.body?.cancel();
    assert.deepEqual(answers.map(({ status }) => status), [402, 402, 200, 402]);
  });
});
