/** A node that answers no more today: with another one calls go on, without they wait for it. */
import assert from "node:assert/strict";
import { readConsumed } from "../lib/chain/escrow.ts";
import { pause } from "../lib/pause.ts";
import { untilMined } from "../worlds/chain/blocks.ts";
import { type ChaosRpc, startChaosRpc } from "../worlds/chain/chaos_rpc.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { randomOf } from "../worlds/random.ts";

const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };
const LANE = `0x${"1a".repeat(32)}` as const;
const BATCH = { mode: "batch", intervalSeconds: 1, pollMs: 100 };
/** What may be lost to a chain that is out of reach: five credits. */
const OFFLINE_CREDITS = 5n;

/** A provider behind a node with a quota, and behind another one when it `hasOther`. */
async function openMarket(rpc: ChaosRpc, hasOther: boolean): Promise<Market> {
  return await startMarket({
    settings: { settlement: { ...BATCH, offlineAmount: String(OFFLINE_CREDITS * PRICE) } },
    rpcOf(truth) {
      rpc.target = truth;
      return hasOther ? [rpc.url, truth] : rpc.url;
    },
  });
}

async function statusOf(market: Market, cid: string): Promise<number> {
  const headers = await market.pay(market.accounts.payer);
  const response = await market.call(cid, { headers });
  await response.body?.cancel();
  if (response.status === 503) assert.ok(response.headers.get("retry-after"));
  return response.status;
}

function consumed({ chain, escrow, accounts: { payer, provider } }: Market): Promise<bigint> {
  return readConsumed(chain, escrow, payer.address, provider.address, LANE);
}

Deno.test("a second endpoint takes over when the quota of the first is used up", async () => {
  await using rpc = await startChaosRpc(randomOf(1));
  await using market = await openMarket(rpc, true);
  const cid = await market.deploy(HELLO);
  assert.equal(await statusOf(market, cid), 200);
  rpc.quota = 0;
  const before = rpc.requests();
  for (let calls = 0; calls < 20; calls++) {
    assert.equal(await statusOf(market, cid), 200);
    await pause(100);
  }
  await untilMined(market.rpc, async () => await consumed(market) === 21n);
  assert.ok(rpc.requests() - before < 40, `${rpc.requests() - before} requests for nothing`);
});

Deno.test("a quota that is used up costs no debt: calls are refused, and go on by themselves", async () => {
  await using rpc = await startChaosRpc(randomOf(1));
  await using market = await openMarket(rpc, false);
  const cid = await market.deploy(HELLO);
  let served = 0n;
  for (; served < 3n; served++) assert.equal(await statusOf(market, cid), 200);
  await untilMined(market.rpc, async () => await consumed(market) === served);
  rpc.quota = 0;
  let status: number;
  // One after the other, as the permit has a hundred credits and the silence takes a while to show.
  while ((status = await statusOf(market, cid)) === 200) {
    served += 1n;
    await pause(20);
  }
  assert.equal(status, 503);
  const charges = () => market.entries({}).filter(({ kind }) => kind === "charge").length;
  const charged = charges();
  for (let calls = 0; calls < 10; calls++) assert.equal(await statusOf(market, cid), 503);
  assert.equal(charges(), charged, "who is refused is not charged");
  rpc.quota = Infinity;
  while (await statusOf(market, cid) !== 200) await pause(100);
  served += 1n;
  await untilMined(market.rpc, async () => await consumed(market) === served);
});
