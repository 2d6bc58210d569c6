/** Bad input is refused by name, on the right status, and nobody is charged for it. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { decodePaymentRequired } from "../lib/payment_header.ts";
import { deploymentLane, signPermit } from "../lib/permit.ts";
import { sealSpec } from "../lib/spec/envelope.ts";
import { generateIdentity, recipientOf } from "../lib/spec/keys.ts";
import { signSpec } from "../lib/spec/signature.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { refuses } from "../worlds/refuses.ts";

const HELLO = "#!/bin/sh\necho hello $NAME\n";

Deno.test("bad input is refused by name and costs nobody", async (t) => {
  await using market = await startMarket({
    settings: {
      sandbox: { concurrency: 4, timeoutMs: 5_000, memoryMb: 128, requestBytes: 1 << 20 },
    },
  });
  const { payer, owner, stranger, provider } = market.accounts;
  const hello = await market.deploy({ files: { main: HELLO } });

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
  await t.step("a program that asks for hosts that programs here may not call", async () => {
    const egress = ["api.example.com:443", "db.example.com:5432", "*.example.com:80"];
    const cid = await market.deploy({ files: { main: HELLO }, fields: { egress } });
    const { message } = await refuses(market, market.call(cid), 422, "invalid_spec");
    assert.match(message, /programs here may not call db\.example\.com:5432, \*\.example\.com:80/);
    assert.doesNotMatch(message, /api\.example\.com/);
  });
  await t.step("a program that asks for addresses, or for mail servers", async () => {
    const unsigned = await market.spec({ files: { main: HELLO } });
    for (const host of ["10.0.0.1:443", "[::1]:443", "2130706433:443", "mx.example.com:25"]) {
      const signed = { ...await signSpec(unsigned, owner), egress: [host] };
      const cid = await market.publish(await sealSpec(signed, [market.recipient]));
      const { message } = await refuses(market, market.call(cid), 422, "invalid_spec");
      assert.match(message, /egress.*(address|port 25)/, host);
    }
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
    const call = market.call(hello, { method: "POST", body: new Uint8Array((1 << 20) + 1) });
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
  await t.step("more credits a minute than the owner pays for", async () => {
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

Deno.test("a payment that does not hold is refused by name and costs nobody", async (t) => {
  await using market = await startMarket();
  const { payer, stranger, provider } = market.accounts;
  const hello = await market.deploy({ files: { main: HELLO } });
  const paying = (changes: Parameters<Market["pay"]>[1]) => async () =>
    await market.call(hello, { headers: await market.pay(payer, changes) });

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
      epoch: 0,
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
      epoch: 0,
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
});

Deno.test("a host that a provider allows no more is refused by name, and costs nobody", async () => {
  await using market = await startMarket();
  const egress = ["api.example.com:443"];
  const cid = await market.deploy({ files: { main: HELLO }, fields: { egress } });
  assert.equal(await (await market.call(cid)).text(), "hello\n");
  await market.restart({ egress: "none" });
  const { message } = await refuses(market, market.call(cid), 422, "invalid_spec");
  assert.match(message, /programs here may not call api\.example\.com:443/);
  await market.restart({ egress: { hosts: ["*.example.com:443"] } });
  assert.equal(await (await market.call(cid)).text(), "hello\n");
});

Deno.test("a server is refused by name where none are taken, and costs nobody", async () => {
  await using market = await startMarket({ settings: { sandbox: { instances: 0 } } });
  const cid = await market.deploy({ files: { main: HELLO }, fields: { interface: "http" } });
  const { message } = await refuses(market, market.call(cid), 422, "invalid_spec");
  assert.match(message, /interface is "http", and programs here are no servers/);
  await market.restart({ sandbox: { instances: 1 } });
  const taken = await market.call(cid);
  assert.notEqual(taken.status, 422);
  await taken.body?.cancel();
});
