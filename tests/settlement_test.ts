/** Batched settlement on a real chain: what was served is paid, once, whatever the payer does. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { readAllowance, readConsumed, revoke } from "../lib/chain/escrow.ts";
import { earned } from "../lib/chain/escrow_provider.ts";
import { deploymentLane } from "../lib/permit.ts";
import { untilMined } from "../worlds/chain/blocks.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };
/** Nothing settles by itself within a test, unless the test says so. */
const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };

async function callTimes(market: Market, cid: string, times: number, init: RequestInit = {}) {
  for (let i = 0; i < times; i++) {
    const response = await market.call(cid, init);
    assert.equal(await response.text(), "hello\n");
  }
}

const ownerConsumed = (market: Market, id: Hex) =>
  readConsumed(
    market.chain,
    market.escrow,
    market.accounts.owner.address,
    market.accounts.provider.address,
    deploymentLane(id),
  );

Deno.test("calls are served without a transaction and settled in one batch", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { owner, payer, operator } = market.accounts;
  const spec = await market.spec(HELLO);
  const cid = await market.publishSpec(spec);
  const nonce = () => market.chain.public.getTransactionCount({ address: operator.address });
  const before = await nonce();
  await callTimes(market, cid, 5);
  await callTimes(market, cid, 3, { headers: await market.pay(payer) });
  assert.equal(await ownerConsumed(market, spec.id), 0n);
  assert.equal(await nonce(), before);
  await market.restart();
  assert.equal(await ownerConsumed(market, spec.id), 5n);
  assert.equal(await nonce(), before + 1);
  const due = await earned(market.chain, market.escrow, market.accounts.provider.address);
  assert.equal(due, 8n * PRICE);
  const entries = market.entries({ payer: owner.address });
  assert.equal(entries.filter(({ kind }) => kind === "charge").length, 5);
  assert.equal(entries.at(-1)!.kind, "settle");
});

Deno.test("what is due by amount is settled at once", async () => {
  const settlement = { ...BATCH, amount: String(3n * PRICE) };
  await using market = await startMarket({ settings: { settlement } });
  const spec = await market.spec(HELLO);
  const cid = await market.publishSpec(spec);
  await callTimes(market, cid, 3);
  await untilMined(market.rpc, async () => await ownerConsumed(market, spec.id) === 3n);
});

Deno.test("a payer that revokes is settled before its credits can leave", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { owner, provider } = market.accounts;
  const spec = await market.spec(HELLO);
  const cid = await market.publishSpec(spec);
  await callTimes(market, cid, 4);
  await revoke(market.chain, owner, market.escrow, provider.address, 1_000n);
  await untilMined(market.rpc, async () => await ownerConsumed(market, spec.id) === 4n);
  const held = await readAllowance(market.chain, market.escrow, owner.address, provider.address);
  assert.equal(held.credits, 996n);
  const refused = await market.call(cid);
  assert.equal(refused.status, 402);
  await refused.body?.cancel();
});

Deno.test("concurrent calls never promise more than the allowance holds", async () => {
  await using market = await startMarket({ credits: 5n, settings: { settlement: BATCH } });
  const { payer } = market.accounts;
  const cid = await market.deploy(HELLO);
  const lanes = Array.from({ length: 12 }, (_, i): Hex => `0x${String(10 + i).repeat(32)}`);
  const calls = lanes.map(async (lane) => {
    const response = await market.call(cid, { headers: await market.pay(payer, { lane }) });
    await response.body?.cancel();
    return response.status;
  });
  const statuses = await Promise.all(calls);
  assert.equal(statuses.filter((status) => status === 200).length, 5);
  assert.ok(statuses.every((status) => [200, 402, 429].includes(status)), statuses.join());
});

Deno.test("an unreachable chain is survived up to the exposure that the provider allows", async () => {
  const settlement = { ...BATCH, offlineAmount: String(4n * PRICE) };
  await using market = await startMarket({ settings: { settlement } });
  const cid = await market.deploy(HELLO);
  await callTimes(market, cid, 1);
  await market.stopChain();
  // The followed view ages out; from then on calls count against the exposure.
  let served = 1;
  for (;; served++) {
    const response = await market.call(cid);
    await response.body?.cancel();
    if (response.status !== 200) {
      assert.equal(response.status, 503);
      break;
    }
    assert.ok(served < 200, "the exposure has no end");
  }
  assert.ok(served >= 4, `only ${served} were served`);
});
