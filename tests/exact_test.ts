/** x402's `exact`, on a real chain with Circle's own USDC: one payment, one answer. */
import assert from "node:assert/strict";
import { receiptFromJson, recoverReceiptSigner } from "../lib/receipt.ts";
import { exactLane } from "../lib/exact_payment.ts";
import {
  balanceOf,
  exactHeader,
  exactHeaderV1,
  exactIn,
  payExact,
  settlementIn,
  signExact,
} from "../worlds/exact_payer.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const HELLO = { files: { main: "#!/bin/sh\nprintf 'hello '; cat\n" } };
const PAID = { ...HELLO, fields: { access: "payer" } };
const MINIMUM = 10_000n;
const SETTINGS = { settlement: { mode: "batch", intervalSeconds: 360, pollMs: 50 } };

const earned = (market: Market) => balanceOf(market, market.accounts.provider.address);

Deno.test("a stranger pays for one call, straight to the provider", async (t) => {
  await using market = await startMarket({ settings: SETTINGS });
  const { payer, provider, operator } = market.accounts;
  const url = `${market.provider.url}/${await market.deploy(PAID)}`;

  await t.step("asked for and answered", async () => {
    const [before, held] = [await earned(market), await balanceOf(market, payer.address)];
    const response = await payExact(payer, url, { method: "POST", body: "world" });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "hello world");
    const { transaction, ...told } = settlementIn(response)!;
    assert.deepEqual(told, {
      success: true,
      network: "eip155:31337",
      payer: payer.address,
      amount: String(MINIMUM),
    });
    assert.match(String(transaction), /^0x[0-9a-f]{64}$/);
    assert.equal(await earned(market) - before, MINIMUM);
    assert.equal(held - await balanceOf(market, payer.address), MINIMUM);
  });

  await t.step("with a receipt", async () => {
    const asked = await fetch(url);
    await asked.body?.cancel();
    const signed = await signExact(payer, exactIn(asked));
    const response = await fetch(url, { headers: exactHeader(signed) });
    await response.text();
    const path = response.headers.get("khachapuri-receipt")!;
    const receipt = receiptFromJson(await (await fetch(`${market.provider.url}${path}`)).json());
    assert.equal(await recoverReceiptSigner(receipt), operator.address);
    assert.equal(receipt.payer, payer.address);
    assert.equal(receipt.provider, provider.address);
    assert.equal(receipt.price, MINIMUM);
    assert.equal(receipt.lane, exactLane(signed.authorization));
  });

  await t.step("the same once more is the same purchase, and another request is not", async () => {
    const asked = await fetch(url);
    await asked.body?.cancel();
    const headers = exactHeader(await signExact(payer, exactIn(asked)));
    const before = await earned(market);
    const ask = (body: string) => fetch(url, { method: "POST", body, headers });
    assert.equal(await (await ask("one")).text(), "hello one");
    const again = await ask("one");
    assert.equal(again.headers.get("idempotency-replayed"), "true");
    assert.equal(await again.text(), "hello one");
    const other = await ask("two");
    assert.equal(other.status, 402);
    assert.equal((await other.json()).reason, "invalid_exact_evm_nonce_already_used");
    exactIn(other);
    const elsewhere = await fetch(`${market.provider.url}/${await market.deploy(PAID)}`, {
      method: "POST",
      body: "one",
      headers,
    });
    assert.equal(elsewhere.status, 402);
    await elsewhere.body?.cancel();
    assert.equal(await earned(market) - before, MINIMUM);
  });

  await t.step("a client of version 1 too", async () => {
    const asked = await fetch(url);
    await asked.body?.cancel();
    const signed = await signExact(payer, exactIn(asked));
    const response = await fetch(url, { headers: exactHeaderV1(signed, "eip155:31337") });
    assert.equal(response.status, 200);
    await response.text();
    assert.ok(response.headers.has("x-payment-response"));
    assert.equal(settlementIn(response)!.success, true);
  });

  await t.step("where the owner pays, whoever brings a payment pays", async () => {
    const open = `${market.provider.url}/${await market.deploy(HELLO)}`;
    const asked = await fetch(url);
    await asked.body?.cancel();
    const before = await earned(market);
    const headers = exactHeader(await signExact(payer, exactIn(asked)));
    assert.equal((await fetch(open, { headers })).status, 200);
    assert.equal(await earned(market) - before, MINIMUM);
  });
});

Deno.test("an answer is given again to the network alone that it went to", async () => {
  const settings = { ...SETTINGS, trustedProxies: ["127.0.0.1"] };
  await using market = await startMarket({ settings });
  const { payer } = market.accounts;
  const url = `${market.provider.url}/${await market.deploy(PAID)}`;
  const asked = await fetch(url);
  await asked.body?.cancel();
  const signed = await signExact(payer, exactIn(asked));
  const before = await earned(market);
  const askFrom = (address: string, more: Record<string, string> = {}) =>
    fetch(url, { headers: { ...exactHeader(signed), "x-forwarded-for": address, ...more } });
  assert.equal(await (await askFrom("203.0.113.5")).text(), "hello ");
  const thief = await askFrom("198.51.100.7");
  assert.equal(thief.status, 409);
  assert.match((await thief.json()).message, /not given again/);
  const again = await askFrom("203.0.113.9");
  assert.deepEqual([again.status, await again.text()], [200, "hello "]);
  assert.equal(await earned(market) - before, MINIMUM);
});
