/**
 * The real provider, killed at random instants under load and started again on the same books:
 * what was answered is paid, nobody pays twice or for nothing, no unit of USDC is lost.
 *
 * `deno task test:crash` kills often; among the other tests it is a short run. A run is repeated
 * with the seed that it prints.
 */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { deploymentLane } from "../lib/permit.ts";
import {
  assertConserved,
  assertEarned,
  assertPrepaidIsUsed,
  audit,
  type CallerLane,
  callerLane,
  callOnce,
  countReceipts,
  type LongCallee,
  refusals,
  startCallers,
} from "../worlds/callers.ts";
import { fund } from "../worlds/chain/escrow_chain.ts";
import { livesOf } from "../worlds/lives.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { seededRandom } from "../worlds/random.ts";

const ANSWER = "hello\n";
const LIMITS = { memoryMb: 64, concurrency: 16, ownerCreditsPerMinute: 10_000 };
const CREDITS = 10_000n;
const KILLS = Number(Deno.env.get("KHACHAPURI_KILLS") ?? 20);
/** Shares of the kills: batches are the rule. */
const KILLS_OF = { batch: Math.ceil(KILLS * 0.6), each: Math.floor(KILLS * 0.4) };

/** Deploys the program and gives three payers their lanes; the owner's is the deployment's. */
async function open(market: Market): Promise<{ cid: string; lanes: CallerLane[] }> {
  const { owner, payer, stranger } = market.accounts;
  await fund(market, stranger, CREDITS);
  const limits = { ...LIMITS, timeoutMs: 5_000 };
  const spec = await market.spec({
    files: { main: "#!/bin/sh\necho hello\n" },
    fields: { limits },
  });
  const cid = await market.publishSpec(spec);
  const lanes = [callerLane(owner.address, deploymentLane(spec.id), {})];
  for (const account of [payer, payer, stranger, stranger]) {
    const lane: Hex = `0x${String(10 + lanes.length).repeat(32)}`;
    const headers = await market.pay(account, { lane, credits: 1_000_000n });
    lanes.push(callerLane(account.address, lane, headers));
  }
  return { cid, lanes };
}

/** Says the same in the time that its query names, in seconds. */
const LONG = "#!/bin/sh\nprintf hel\nsleep $QUERY_STRING\necho lo\n";
const CREDIT_MS = 400;

/** Deploys a program whose runs take one to four credits. */
async function openLong(market: Market, callers: readonly CallerLane[]): Promise<LongCallee> {
  const limits = { ...LIMITS, timeoutMs: CREDIT_MS, credits: 20 };
  const spec = await market.spec({ files: { main: LONG }, fields: { limits } });
  const owners = callerLane(market.accounts.owner.address, deploymentLane(spec.id), {});
  const cid = await market.publishSpec(spec);
  return {
    cid,
    answer: ANSWER,
    creditMs: CREDIT_MS,
    queries: ["0.05", "0.5", "0.9", "1.3"],
    lanes: [owners, ...callers],
  };
}

/** Nobody kills the provider meanwhile: whatever else was answered, these took several credits. */
async function callLong(url: string, long: LongCallee, callers: readonly CallerLane[]) {
  const query = `?${long.queries.at(-1)}`;
  const { creditMs } = long;
  await Promise.all(callers.map((lane) => callOnce(url, long, lane, { creditMs, query })));
}

async function crash(mode: "batch" | "each", times: number): Promise<void> {
  const random = seededRandom(`crash, ${mode}`);
  const settlement = { mode, intervalSeconds: 1, pollMs: 100, amount: "40000" };
  await using market = await startMarket({ credits: CREDITS, settings: { settlement } });
  const { cid, lanes: own } = await open(market);
  // Where each credit is mined before its run, no run takes more than one.
  const long = mode === "batch" ? await openLong(market, own.slice(1)) : null;
  const lanes = [...new Set([...own, ...long?.lanes ?? []])];
  await market.provider.stop();
  await using lives = livesOf({
    home: market.home,
    random,
    answered: () => lanes.reduce((sum, lane) => sum + lane.answered, 0),
  });
  const concurrency = random.between(4, 8);
  const call = { cid, answer: ANSWER };
  const callers = startCallers({
    ...call,
    ...(long && { long }),
    lanes: own,
    concurrency,
    random,
    url: lives.url,
  });
  let url: string | null = null;
  try {
    await lives.killOften(times);
    url = await lives.url();
  } finally {
    lives.end();
    await callers.stop();
  }
  if (long) await callLong(url!, long, own.slice(1));
  const receipts = lanes.reduce((sum, lane) => sum + lane.receipts.length, 0);
  const credits = await countReceipts(url!, lanes);
  await lives.stop();
  const total = await audit(market, lanes);
  const runs = { receipts, credits };
  report(mode, { kills: times, concurrency, ...total, ...runs, refused: refusals(lanes) });
  if (mode === "batch") assert.ok(credits > receipts, "no run took a further credit");
  assert.ok(total.answered >= times, "too few calls to prove anything");
  assert.ok(total.lost <= times * concurrency, "more calls lost than were ever in flight");
  if (mode === "batch") assert.equal(total.charged, total.consumed);
  await assertConserved(market, lanes.map(({ payer }) => payer));
  await assertEarned(market, total);
  if (mode === "each") {
    await market.restart();
    await assertPrepaidIsUsed(market, call, lanes);
  }
}

function report(mode: string, figures: object): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${mode}: ${JSON.stringify(figures)}\n`));
}

Deno.test("kill -9 at random instants loses and doubles nothing, settled in batches", async () => {
  await crash("batch", KILLS_OF.batch);
});

Deno.test("kill -9 at random instants loses and doubles nothing, settled before each run", async () => {
  await crash("each", KILLS_OF.each);
});
