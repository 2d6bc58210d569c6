/** A second machine that serves under the provider's address, and settles what this one has not. */
import assert from "node:assert/strict";
import { consumeBatch } from "../lib/chain/escrow_provider.ts";
import { decodePaymentHeader } from "../lib/payment_header.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { startMarket } from "../worlds/market.ts";

const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };
const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };

Deno.test("what another machine charges under our address is in the log and in the figures", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { chain, escrow, accounts: { payer, operator } } = market;
  const cid = await market.deploy(HELLO);
  const charged = async () => {
    const text = await (await fetch(`${market.provider.url}/metrics`)).text();
    return Number(/^khachapuri_charged_elsewhere_credits (\d+)$/m.exec(text)![1]);
  };
  const headers = await market.pay(payer, { credits: 5n });
  assert.equal(await (await market.call(cid, { headers })).text(), "hello\n");
  assert.equal(await charged(), 0);
  const alarm = market.logged(
    "credits were charged for this provider that are not in this book: does another machine " +
      "serve under its address, or was the book restored from a backup?",
  );
  const { permit } = decodePaymentHeader(headers["PAYMENT-SIGNATURE"]!);
  await consumeBatch(chain, operator, escrow, [{ permit, price: PRICE, credits: 5n }]);
  const { payer: whose, credits } = await alarm;
  assert.deepEqual([whose, credits], [payer.address, "4"]);
  assert.equal(await charged(), 4);
});
