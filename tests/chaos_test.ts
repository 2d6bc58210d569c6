/**
 * The chain at its worst: an endpoint that fails, stalls, lies and loses transactions, forks that
 * take back what was settled or allowed, and payers who take back what they can. What was served is
 * settled once, and nobody is charged twice. A run is repeated with the seed that it prints.
 */
import assert from "node:assert/strict";
import type { Hex, LocalAccount } from "viem";
import { allow, readConsumed, reclaim, revoke, withdraw } from "../lib/chain/escrow.ts";
import { earned } from "../lib/chain/escrow_provider.ts";
import { pause } from "../lib/pause.ts";
import { deploymentLane } from "../lib/permit.ts";
import { anvilAccount } from "../worlds/chain/anvil.ts";
import { fork, mine, passTime } from "../worlds/chain/anvil_calls.ts";
import { untilMined } from "../worlds/chain/blocks.ts";
import {
  assertConserved,
  assertEarned,
  assertPrepaidIsUsed,
  audit,
  type CallerLane,
  callerLane,
  refusals,
  startCallers,
} from "../worlds/callers.ts";
import {
  type ChaosRpc,
  NO_FAULTS,
  randomFaults,
  startChaosRpc,
} from "../worlds/chain/chaos_rpc.ts";
import { bumpEpoch, fund, PRICE, THAWING_SECONDS } from "../worlds/chain/escrow_chain.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { type Random, randomOf, seededRandom } from "../worlds/random.ts";

const ANSWER = "hello\n";
const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };
const LIMITS = { timeoutMs: 5_000, memoryMb: 64, concurrency: 16, ownerCreditsPerMinute: 10_000 };
/** Weather changes this often, this many times. */
const SPELL_MS = 300;
const SPELLS = Number(Deno.env.get("KHACHAPURI_SPELLS") ?? 12);
const BATCH = { mode: "batch", intervalSeconds: 1, pollMs: 100, stuckSeconds: 1 };

async function open(market: Market): Promise<{ cid: string; lanes: CallerLane[] }> {
  const { owner, payer } = market.accounts;
  const spec = await market.spec({ ...HELLO, fields: { limits: LIMITS } });
  const cid = await market.publishSpec(spec);
  const lanes = [callerLane(owner.address, deploymentLane(spec.id), {})];
  for (const lane of lanesOf(3)) {
    const headers = await market.pay(payer, { lane, credits: 1_000_000n });
    lanes.push(callerLane(payer.address, lane, headers));
  }
  return { cid, lanes };
}

function lanesOf(count: number): Hex[] {
  return Array.from({ length: count }, (_, index): Hex => `0x${String(10 + index).repeat(32)}`);
}

/** One kind of bad weather after another, then fair. */
async function storm(rpc: ChaosRpc, random: Random): Promise<void> {
  for (let spell = 0; spell < SPELLS; spell++) {
    rpc.faults = randomFaults(random, 0.6);
    await pause(SPELL_MS);
  }
  rpc.faults = NO_FAULTS;
}

/** Where a provider whose chain is behind `rpc` finds it. */
function behind(rpc: ChaosRpc): (url: string) => string {
  return (url) => {
    rpc.target = url;
    return rpc.url;
  };
}

async function survives(mode: "batch" | "each"): Promise<void> {
  const random = seededRandom(`chaos, ${mode}`);
  await using rpc = await startChaosRpc(random);
  const settlement = { ...BATCH, mode, amount: "20000", offlineAmount: "1000000" };
  await using market = await startMarket({ settings: { settlement }, rpcOf: behind(rpc) });
  const { cid, lanes } = await open(market);
  const call = { cid, answer: ANSWER };
  const url = () => Promise.resolve(market.provider.url);
  const callers = startCallers({ ...call, lanes, concurrency: 4, random, url });
  await storm(rpc, random);
  await callers.stop();
  await market.restart();
  const total = await audit(market, lanes);
  report(mode, { ...total, faults: rpc.faulty(), refused: refusals(lanes) });
  assert.ok(total.answered > 0, "nothing was served at all");
  assert.equal(total.lost, 0);
  assert.equal(total.answered, total.charged);
  if (mode === "batch") assert.equal(total.charged, total.consumed);
  else await assertPrepaidIsUsed(market, call, lanes);
  await assertConserved(market, lanes.map(({ payer }) => payer));
  await assertEarned(market, total);
}

function report(mode: string, figures: object): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${mode}: ${JSON.stringify(figures)}\n`));
}

Deno.test("batches survive an endpoint that fails, stalls, lies and loses", async () => {
  await survives("batch");
});

Deno.test("so does a provider that takes each credit first", async () => {
  await survives("each");
});

async function statusOf(market: Market, cid: string, headers: Record<string, string>) {
  const response = await market.call(cid, { headers });
  await response.body?.cancel();
  return response.status;
}

Deno.test("an allowance that a fork takes back is served no more", async () => {
  await using rpc = await startChaosRpc(randomOf(1));
  const settlement = { ...BATCH, intervalSeconds: 360 };
  await using market = await startMarket({ settings: { settlement }, rpcOf: behind(rpc) });
  const cid = await market.deploy(HELLO);
  const newcomer = anvilAccount(6);
  await fund(market, newcomer, 50n);
  const headers = await market.pay(newcomer);
  assert.equal(await statusOf(market, cid, headers), 200);
  // Between two looks at the chain the provider has taken in what there was at the first.
  for (const _ of [1, 2]) await rpc.asked("eth_getBlockByNumber");
  const noticed = market.logged("the chain was reorganised");
  await fork(market.chain, 1);
  await noticed;
  assert.equal(await statusOf(market, cid, headers), 402);
});

Deno.test("under finality an allowance counts once it can no longer be undone", async () => {
  for (const finality of ["safe", "finalized"]) {
    const settlement = { ...BATCH, intervalSeconds: 360, finality };
    let aheadMs = 0;
    const now = () => Date.now() + aheadMs;
    await using market = await startMarket({ settings: { settlement }, now });
    const cid = await market.deploy(HELLO);
    const newcomer = anvilAccount(6);
    await mine(market.chain, 80);
    await fund(market, newcomer, 50n);
    const headers = await market.pay(newcomer);
    assert.equal(await statusOf(market, cid, headers), 402);
    await mine(market.chain, 80);
    // Who was refused is not read from the chain again at once.
    aheadMs = 1_000;
    assert.equal(await statusOf(market, cid, headers), 200);
  }
});

Deno.test("a settlement that a fork takes back is due again and settled again", async () => {
  const settlement = { ...BATCH, amount: String(3n * PRICE) };
  await using market = await startMarket({ settings: { settlement } });
  const { owner, provider } = market.accounts;
  const spec = await market.spec(HELLO);
  const cid = await market.publishSpec(spec);
  const { chain, escrow } = market;
  const lane = deploymentLane(spec.id);
  const taken = () => readConsumed(chain, escrow, owner.address, provider.address, lane);
  for (let i = 0; i < 3; i++) assert.equal(await statusOf(market, cid, {}), 200);
  await untilMined(market.rpc, async () => await taken() === 3n);
  await fork(chain, 1);
  assert.equal(await taken(), 0n);
  await untilMined(market.rpc, async () => await taken() === 3n);
  assert.equal(await earned(chain, escrow, provider.address), 3n * PRICE);
  await market.restart();
  const charges = market.entries({ lane }).filter(({ kind }) => kind === "charge");
  assert.equal(charges.length, 3);
  assert.equal(await taken(), 3n);
});

/** Everything a payer can do to get its money back, over and over, while it is being served. */
async function takeBack(
  market: Market,
  payer: LocalAccount,
  random: Random,
  isOver: () => boolean,
) {
  const { chain, escrow, accounts: { provider } } = market;
  const tricks = [
    () => revoke(chain, payer, escrow, provider.address, BigInt(random.between(1, 400))),
    () => bumpEpoch(market, payer),
    () => withdraw(chain, payer, escrow, 1_000n, payer.address),
    () => reclaim(chain, payer, escrow, provider.address),
    () =>
      allow(chain, payer, escrow, {
        provider: provider.address,
        pricePerCredit: PRICE - 1n,
        credits: 1n,
      }),
    () =>
      allow(chain, payer, escrow, {
        provider: provider.address,
        pricePerCredit: PRICE,
        credits: 400n,
      }),
  ];
  while (!isOver()) await random.pick(tricks)().catch(() => {});
}

Deno.test("a payer that takes back what it can has paid for what it was served", async () => {
  const random = seededRandom("chaos, payer");
  await using market = await startMarket({ credits: 120n, settings: { settlement: BATCH } });
  const { payer, provider } = market.accounts;
  const spec = await market.spec({ ...HELLO, fields: { limits: LIMITS, access: "payer" } });
  const cid = await market.publishSpec(spec);
  const lanes: CallerLane[] = [];
  for (const lane of lanesOf(5)) {
    // The same credits promised on every lane, again by a second permit, and by the next epoch's.
    for (const [credits, epoch] of [[60n, 0], [200n, 0], [300n, 1]] as const) {
      const headers = await market.pay(payer, { lane, credits, epoch });
      lanes.push(callerLane(payer.address, lane, headers));
    }
  }
  const url = () => Promise.resolve(market.provider.url);
  const callers = startCallers({ cid, answer: ANSWER, lanes, concurrency: 8, random, url });
  let isOver = false;
  const thief = takeBack(market, payer, random, () => isOver);
  for (let spell = 0; spell < SPELLS; spell++) await pause(SPELL_MS);
  isOver = true;
  await Promise.all([thief, callers.stop()]);
  const { chain, escrow } = market;
  // The notice period ends; whatever is left may go, what was served may not.
  await revoke(chain, payer, escrow, provider.address, 1_000n).catch(() => {});
  await market.restart();
  await passTime(chain, THAWING_SECONDS + 1n);
  await reclaim(chain, payer, escrow, provider.address).catch(() => {});
  const total = await audit(market, merged(lanes));
  report("payer", { ...total, refused: refusals(lanes) });
  assert.ok(total.answered > 0);
  const ofNextEpoch = lanes.filter((_, index) => index % 3 === 2);
  assert.ok(ofNextEpoch.some(({ answered }) => answered > 0), "no permit of the next epoch paid");
  assert.equal(total.answered, total.charged);
  assert.equal(total.charged, total.consumed);
  await assertEarned(market, total);
  await assertConserved(market, [payer.address, market.accounts.owner.address]);
  assert.equal(await statusOf(market, cid, lanes[1]!.headers), 402);
});

/** Two permits of one lane share its counter. */
function merged(lanes: readonly CallerLane[]): CallerLane[] {
  const byLane = new Map<Hex, CallerLane>();
  for (const { payer, lane, headers, ...counts } of lanes) {
    const sum = byLane.get(lane) ?? callerLane(payer, lane, headers);
    for (const key of ["answered", "lost", "paid", "unsure"] as const) sum[key] += counts[key];
    byLane.set(lane, sum);
  }
  return [...byLane.values()];
}
