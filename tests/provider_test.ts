/** A provider as its callers meet it: real chain, USDC, gateway, age, sandbox and HTTP. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { readAllowance, readConsumed, revoke } from "../lib/chain/escrow.ts";
import { decodePaymentRequired, decodePaymentResponse } from "../lib/payment_header.ts";
import { deploymentLane, permitToJson, signPermit } from "../lib/permit.ts";
import { sealSpec } from "../lib/spec/envelope.ts";
import { generateIdentity, recipientOf } from "../lib/spec/keys.ts";
import { signSpec } from "../lib/spec/signature.ts";
import { signStop } from "../lib/spec/stop.ts";
import { signOwnerRequest } from "../lib/spec/owner_request.ts";
import { type Market, PRICE, startMarket, TERMS } from "./world/market.ts";

const ECHO = `#!/bin/sh
printf 'HTTP/1.1 201 Made\\r\\ncontent-type: text/plain\\r\\nx-method: %s\\r\\n\\r\\n' "$REQUEST_METHOD"
printf 'args:'; printf ' %s' "$@"; printf '\\nbody: '
cat
`;
const HELLO = "#!/bin/sh\necho hello $NAME\n";

async function spent(market: Market, account: { address: Hex }): Promise<bigint> {
  const { chain, escrow, accounts } = market;
  const held = await readAllowance(chain, escrow, account.address, accounts.provider.address);
  return 1_000n - held.credits;
}

/** Waits until the provider has ended every run. */
async function idle(market: Market): Promise<void> {
  while ((await (await fetch(`${market.provider.url}/healthz`)).json()).runs > 0);
}

interface Refusal {
  error: string;
  message: string;
  hints?: string[];
}

/** The call must be refused with this status and code, and cost neither owner nor payer. */
async function refuses(
  market: Market,
  call: Promise<Response>,
  status: number,
  code: string,
): Promise<Refusal> {
  const before = await Promise.all([
    spent(market, market.accounts.owner),
    spent(market, market.accounts.payer),
  ]);
  const response = await call;
  const refusal: Refusal = await response.json();
  assert.deepEqual([response.status, refusal.error], [status, code], refusal.message);
  const after = await Promise.all([
    spent(market, market.accounts.owner),
    spent(market, market.accounts.payer),
  ]);
  assert.deepEqual(after, before, "somebody was charged");
  return refusal;
}

Deno.test("a deployment answers, and each answer costs its payer one credit", async (t) => {
  await using market = await startMarket();
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
    const question = { action: "logs" as const, subject: cid, provider, expires };
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
      files: { main: "#!/bin/sh\ncat >/dev/null; echo done\n" },
      fields: {
        limits: { timeoutMs: 5_000, memoryMb: 64, concurrency: 1, ownerCreditsPerMinute: 60 },
      },
    });
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
    const refused = await market.call(cid, { method: "POST", body }).catch(() => null);
    await refused?.body?.cancel();
    await idle(market);
    const response = await market.call(cid, { method: "POST", body: "x" });
    assert.equal(await response.text(), "done\n");
    assert.equal(await spent(market, owner) - before, 1n);
  });
});

Deno.test("bad input is refused by name and costs nobody", async (t) => {
  await using market = await startMarket({
    settings: { sandbox: { concurrency: 4, timeoutMs: 5_000, memoryMb: 128 } },
  });
  const { payer, owner, stranger, provider } = market.accounts;
  const hello = await market.deploy({ files: { main: HELLO } });
  const paying = (changes: Parameters<Market["pay"]>[1]) => async () =>
    await market.call(hello, { headers: await market.pay(payer, changes) });

  await t.step(
    "a cid that is none",
    () => refuses(market, market.call("bafynotacid"), 400, "invalid_cid").then(() => {}),
  );
  await t.step("a cid that nobody has", async () => {
    const cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    await refuses(market, market.call(cid), 404, "not_found");
  });
  await t.step("content that is no spec", async () => {
    const cid = await market.publish(new TextEncoder().encode("hello"));
    await refuses(market, market.call(cid), 422, "invalid_spec");
  });
  await t.step("a spec encrypted to somebody else", async () => {
    const other = await recipientOf(await generateIdentity("pq"));
    const spec = await signSpec(await market.spec({ files: { main: HELLO } }), owner);
    const cid = await market.publish(await sealSpec(spec, [other]));
    await refuses(market, market.call(cid), 421, "misdirected");
  });
  await t.step("a spec for another provider", async () => {
    const spec = await market.spec({ files: { main: HELLO } });
    const entry = spec.providers[0]!;
    const permit = await signPermit(owner, entry, { ...entry.permit, provider: stranger.address });
    const cid = await market.publishSpec({
      ...spec,
      providers: [{ ...entry, address: stranger.address, permit }],
    });
    await refuses(market, market.call(cid), 421, "misdirected");
  });
  await t.step("a forged owner", async () => {
    const spec = await market.spec({ files: { main: HELLO } });
    const signed = await signSpec(spec, owner);
    const forged = { ...signed, env: { EXTRA: "1" } };
    const cid = await market.publish(await sealSpec(forged, [market.recipient]));
    await refuses(market, market.call(cid), 403, "invalid_signature");
  });
  await t.step("terms that are not offered", async () => {
    const spec = await market.spec({ files: { main: HELLO } });
    const terms: Hex = `0x${"99".repeat(32)}`;
    const cid = await market.publishSpec({
      ...spec,
      providers: [{ ...spec.providers[0]!, terms }],
    });
    await refuses(market, market.call(cid), 403, "terms_refused");
  });
  await t.step("a program that asks for a network", async () => {
    const cid = await market.deploy({
      files: { main: HELLO },
      fields: { egress: ["api.example.com:443"] },
    });
    const { message } = await refuses(market, market.call(cid), 422, "invalid_spec");
    assert.match(message, /no network/);
  });
  await t.step("a payer address without proof", async () => {
    const call = market.call(hello, { headers: { payer: payer.address } });
    const { message } = await refuses(market, call, 402, "payment_required");
    assert.match(message, /proves nothing/);
  });
  await t.step("a permit signed by somebody else", async () => {
    const foreign = await market.pay(stranger, { payer: payer.address });
    await refuses(market, market.call(hello, { headers: foreign }), 402, "payment_required");
  });
  await t.step("a permit whose text was changed", async () => {
    const permit = await signPermit(payer, { chainId: 31_337, escrow: market.escrow }, {
      payer: payer.address,
      provider: provider.address,
      lane: deploymentLane(`0x${"77".repeat(32)}`),
      price: PRICE,
      credits: 1n,
      deadline: 9_999_999_999n,
    });
    const headers = await market.pay(payer, { ...permit, credits: 500n });
    await refuses(market, market.call(hello, { headers }), 402, "payment_required");
  });
  await t.step("a permit for another provider", async () => {
    await refuses(market, paying({ provider: stranger.address })(), 402, "payment_required");
  });
  await t.step("a permit that has expired", async () => {
    await refuses(market, paying({ deadline: 1n })(), 402, "payment_required");
  });
  await t.step("a permit below the price", async () => {
    const { message } = await refuses(
      market,
      paying({ price: PRICE - 1n })(),
      402,
      "payment_required",
    );
    assert.match(message, /allows 0\.000999 USDC/);
  });
  await t.step("a permit for another chain", async () => {
    const key = privateKeyToAccount(generatePrivateKey());
    const permit = await signPermit(key, { chainId: 1, escrow: market.escrow }, {
      payer: key.address,
      provider: provider.address,
      lane: deploymentLane(`0x${"77".repeat(32)}`),
      price: PRICE,
      credits: 1n,
      deadline: 9_999_999_999n,
    });
    const headers = await market.pay(payer, permit);
    await refuses(market, market.call(hello, { headers }), 402, "payment_required");
  });
  await t.step("a payer who has allowed nothing", async () => {
    const headers = await market.pay(stranger);
    const call = market.call(hello, { headers });
    const { message } = await refuses(market, call, 402, "payment_required");
    assert.match(message, /no credits left/);
  });
  await t.step("a header that is no base64", async () => {
    const headers = { "payment-signature": "{}" };
    await refuses(market, market.call(hello, { headers }), 400, "invalid_input");
  });
  await t.step("an owner-paid call where callers must pay", async () => {
    const cid = await market.deploy({ files: { main: HELLO }, fields: { access: "payer" } });
    const response = await market.call(cid);
    assert.equal(response.status, 402);
    const { offers } = decodePaymentRequired(response.headers.get("payment-required")!);
    assert.equal(offers[0]!.payTo, provider.address);
    assert.equal(offers[0]!.pricePerCredit, PRICE);
    assert.match((await response.json()).hints[0], /khachapuri permit/);
  });
  await t.step("a body that is too large", async () => {
    const call = market.call(hello, { method: "POST", body: new Uint8Array((16 << 20) + 1) });
    await refuses(market, call, 413, "body_too_large");
  });
  await t.step("headers that are too large", async () => {
    const call = market.call(hello, { headers: { "x-large": "a".repeat(17_000) } });
    await refuses(market, call, 431, "headers_too_large");
  });
  await t.step("a service worker under a shared origin", async () => {
    const call = market.call(hello, { headers: { "service-worker": "script" } });
    await refuses(market, call, 403, "access_denied");
  });
  await t.step("a path that is not there, and a method that is not taken", async () => {
    const at = (path: string, init?: RequestInit) => fetch(market.provider.url + path, init);
    await refuses(market, at("/nothing"), 404, "not_found");
    await refuses(market, at("/terms", { method: "DELETE" }), 405, "method_not_allowed");
  });
  await t.step("more calls a minute than the owner pays for", async () => {
    const cid = await market.deploy({
      files: { main: HELLO },
      fields: {
        limits: { timeoutMs: 5_000, memoryMb: 64, concurrency: 2, ownerCreditsPerMinute: 2 },
      },
    });
    for (const _ of [1, 2]) assert.equal(await (await market.call(cid)).text(), "hello\n");
    const response = await market.call(cid);
    assert.equal(response.status, 429);
    assert.ok(Number(response.headers.get("retry-after")) > 0);
    await response.body?.cancel();
    const own = await market.call(cid, { headers: await market.pay(payer) });
    assert.equal(await own.text(), "hello\n");
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
    const signature = await signStop(account, { id: spec.id, provider: provider.address });
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
