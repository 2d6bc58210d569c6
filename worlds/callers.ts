/** Callers who keep calling and keep their own count, lane by lane, to hold against the books. */
import assert from "node:assert/strict";
import type { Address, Hex } from "viem";
import { readAllowance, readBalance, readConsumed } from "../lib/chain/escrow.ts";
import { earned } from "../lib/chain/escrow_provider.ts";
import { readUsdcBalance } from "../lib/chain/usdc.ts";
import { creditsIn, receiptFromJson } from "../lib/receipt.ts";
import { PRICE } from "./chain/escrow_chain.ts";
import type { Market } from "./market.ts";
import type { Random } from "./random.ts";

export interface CallerLane {
  readonly payer: Address;
  readonly lane: Hex;
  readonly headers: Record<string, string>;
  /** Calls with a whole answer. */
  answered: number;
  /** Calls that ended without one: what they cost is not known here. */
  lost: number;
  /** What the answered ones cost at least, credits: what receipts say, where there are any. */
  paid: number;
  /** What all may have cost beyond that at most. */
  unsure: number;
  /** Paths of receipts that are still to be counted. */
  readonly receipts: string[];
  /** Refusals by status and message; free, but for a program's own failures. */
  readonly refused: Map<string, number>;
}

export function callerLane(payer: Address, lane: Hex, headers: Record<string, string>): CallerLane {
  const counts = { answered: 0, lost: 0, paid: 0, unsure: 0 };
  return { payer, lane, headers, ...counts, receipts: [], refused: new Map() };
}

export interface Callee {
  cid: string;
  /** What the program says. */
  answer: string;
}

/** A program whose runs take as many credits as its query has them last. */
export interface LongCallee extends Callee {
  queries: readonly string[];
  /** The lanes that it is called on: its owner's own, and callers'. */
  lanes: readonly CallerLane[];
  /** What a credit is good for, ms. */
  creditMs: number;
}

export interface CallersOptions extends Callee {
  /** Called as often. */
  long?: LongCallee;
  lanes: readonly CallerLane[];
  concurrency: number;
  random: Random;
  /** The provider's URL as soon as it serves; null when it never will again. */
  url(): Promise<string | null>;
}

export interface Callers {
  /** Calls under way now. */
  inFlight(): number;
  /** No new calls; resolves when the last one has ended. */
  stop(): Promise<void>;
}

/** One call on `lane`, counted. */
export async function callOnce(
  url: string,
  { cid, answer }: Callee,
  lane: CallerLane,
  { creditMs = Infinity, query = "", headers = {} } = {},
): Promise<void> {
  const begun = performance.now();
  const most = () => 1 + Math.floor((performance.now() - begun) / creditMs);
  try {
    const response = await fetch(`${url}/${cid}${query}`, {
      headers: { ...lane.headers, ...headers },
    });
    const text = await response.text();
    if (response.status === 200 && text === answer) countAnswer(lane, response, most());
    else if (response.status === 200) countLost(lane, most());
    else countRefusal(lane, response.status, text);
    if (isProgramsFailure(response.status)) lane.unsure += most();
  } catch {
    countLost(lane, most());
  }
}

/** Such a refusal costs its payer what the program had taken by then. */
export function isProgramsFailure(status: number): boolean {
  return status === 502 || status === 504;
}

function countAnswer(lane: CallerLane, { headers }: Response, most: number): void {
  lane.answered += 1;
  const receipt = headers.get("khachapuri-receipt");
  if (receipt !== null && headers.has("khachapuri-credits")) {
    return void lane.receipts.push(receipt);
  }
  lane.paid += 1;
  lane.unsure += most - 1;
}

function countLost(lane: CallerLane, most: number): void {
  lane.lost += 1;
  lane.unsure += most;
}

/** Counts the credits of long runs, as their receipts have them; each is there, whoever died. */
export async function countReceipts(url: string, lanes: readonly CallerLane[]): Promise<number> {
  let credits = 0;
  for (const lane of lanes) {
    for (const path of lane.receipts.splice(0)) {
      const response = await fetch(url + path);
      assert.equal(response.status, 200, "an answer without its receipt");
      const taken = creditsIn(receiptFromJson(await response.json()));
      lane.paid += taken;
      credits += taken;
    }
  }
  return credits;
}

function countRefusal({ refused }: CallerLane, status: number, body: string): void {
  const why = `${status} ${JSON.parse(body).message}`;
  refused.set(why, (refused.get(why) ?? 0) + 1);
}

/** All refusals, summed over the lanes. */
export function refusals(lanes: readonly CallerLane[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { refused } of lanes) {
    for (const [why, count] of refused) sum[why] = (sum[why] ?? 0) + count;
  }
  return sum;
}

async function callSomething(url: string, options: CallersOptions): Promise<void> {
  const { lanes, random, long } = options;
  if (!long || random.chance(0.5)) return await callOnce(url, options, random.pick(lanes));
  const { creditMs, queries } = long;
  const query = `?${random.pick(queries)}`;
  await callOnce(url, long, random.pick(long.lanes), { creditMs, query });
}

/** Calls in a loop, `concurrency` at a time, each on a random lane, until told to stop. */
export function startCallers(options: CallersOptions): Callers {
  let isStopped = false;
  let inFlight = 0;
  async function loop(): Promise<void> {
    while (!isStopped) {
      const url = await options.url();
      if (isStopped || url === null) return;
      inFlight += 1;
      await callSomething(url, options);
      inFlight -= 1;
    }
  }
  const loops = Array.from({ length: options.concurrency }, loop);
  return {
    inFlight: () => inFlight,
    async stop() {
      isStopped = true;
      await Promise.all(loops);
    },
  };
}

export interface Audit {
  answered: number;
  lost: number;
  charged: number;
  consumed: number;
}

/**
 * Holds the callers' counts, the provider's ledger and the chain against each other, after the
 * provider has stopped in good order.
 * @throws AssertionError that names the lane
 */
export async function audit(market: Market, lanes: readonly CallerLane[]): Promise<Audit> {
  const { chain, escrow, accounts: { provider } } = market;
  const total: Audit = { answered: 0, lost: 0, charged: 0, consumed: 0 };
  for (const lane of lanes) {
    const { payer, answered, lost, paid, unsure } = lane;
    const own = chargedOn(market, lane);
    const taken = Number(await readConsumed(chain, escrow, payer, provider.address, lane.lane));
    const about = `lane ${lane.lane.slice(0, 6)} of ${payer}: ` +
      `${answered} answered (${paid}), ${lost} lost, ${own} charged, ${taken} taken by the escrow`;
    assert.ok(paid <= own, `answered and not charged; ${about}`);
    assert.ok(own <= paid + unsure, `charged for nothing; ${about}`);
    assert.ok(own <= taken, `charged and not settled; ${about}`);
    // A refusal for want of the chain may have left its credit on the lane, prepaid.
    assert.ok(taken <= paid + unsure + unavailable(lane), `taken for nothing; ${about}`);
    total.answered += answered;
    total.lost += lost;
    total.charged += own;
    total.consumed += taken;
  }
  return total;
}

/** Credits that the ledger has charged on a lane. */
export function chargedOn({ entries }: Market, { payer, lane }: CallerLane): number {
  return entries({ payer, lane }).filter(({ kind }) => kind === "charge").length;
}

function unavailable({ refused }: CallerLane): number {
  let count = 0;
  for (const [why, times] of refused) if (why.startsWith("503")) count += times;
  return count;
}

/** What the escrow took for a run that never was pays the lane's next calls. */
export async function assertPrepaidIsUsed(
  market: Market,
  call: Callee,
  lanes: readonly CallerLane[],
): Promise<void> {
  const { chain, escrow, accounts } = market;
  const taken = ({ payer, lane }: CallerLane) =>
    readConsumed(chain, escrow, payer, accounts.provider.address, lane);
  for (const lane of lanes) {
    const before = await taken(lane);
    for (let left = Number(before) - chargedOn(market, lane); left > 0; left--) {
      await callOnce(market.provider.url, call, lane);
    }
    assert.equal(await taken(lane), before, "a prepaid call was paid again");
    assert.equal(chargedOn(market, lane), Number(before));
  }
}

/** USDC is conserved to the unit: what the escrow holds is what it owes. */
export async function assertConserved(market: Market, payers: readonly Address[]): Promise<void> {
  const { chain, escrow, usdc, accounts: { provider } } = market;
  let owed = await earned(chain, escrow, provider.address);
  for (const payer of new Set(payers)) {
    const { credits, pricePerCredit } = await readAllowance(
      chain,
      escrow,
      payer,
      provider.address,
    );
    owed += credits * pricePerCredit + await readBalance(chain, escrow, payer);
  }
  assert.equal(await readUsdcBalance(chain, usdc, escrow), owed);
}

/** Everything was charged at the one price there is: earnings follow from the counters. */
export async function assertEarned(market: Market, { consumed }: Audit): Promise<void> {
  const { chain, escrow, accounts: { provider } } = market;
  assert.equal(await earned(chain, escrow, provider.address), BigInt(consumed) * PRICE);
}
