/** Callers who keep calling and keep their own count, lane by lane, to hold against the books. */
import assert from "node:assert/strict";
import type { Address, Hex } from "viem";
import { readAllowance, readBalance, readConsumed } from "../lib/chain/escrow.ts";
import { earned } from "../lib/chain/escrow_provider.ts";
import { readUsdcBalance } from "../lib/chain/usdc.ts";
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
  /** Refusals by status and message; free, as the protocol has it. */
  readonly refused: Map<string, number>;
}

export function callerLane(payer: Address, lane: Hex, headers: Record<string, string>): CallerLane {
  return { payer, lane, headers, answered: 0, lost: 0, refused: new Map() };
}

export interface CallersOptions {
  cid: string;
  /** What the program says. */
  answer: string;
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
  { cid, answer }: Pick<CallersOptions, "cid" | "answer">,
  lane: CallerLane,
): Promise<void> {
  try {
    const response = await fetch(`${url}/${cid}`, { headers: lane.headers });
    const text = await response.text();
    if (response.status === 200 && text === answer) lane.answered += 1;
    else if (response.status === 200) lane.lost += 1;
    else countRefusal(lane, response.status, text);
  } catch {
    lane.lost += 1;
  }
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

/** Calls in a loop, `concurrency` at a time, each on a random lane, until told to stop. */
export function startCallers(options: CallersOptions): Callers {
  let isStopped = false;
  let inFlight = 0;
  async function loop(): Promise<void> {
    while (!isStopped) {
      const url = await options.url();
      if (isStopped || url === null) return;
      inFlight += 1;
      await callOnce(url, options, options.random.pick(options.lanes));
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
    const { payer, answered, lost } = lane;
    const own = chargedOn(market, lane);
    const taken = Number(await readConsumed(chain, escrow, payer, provider.address, lane.lane));
    const about = `lane ${lane.lane.slice(0, 6)} of ${payer}: ` +
      `${answered} answered, ${lost} lost, ${own} charged, ${taken} taken by the escrow`;
    assert.ok(answered <= own, `answered and not charged; ${about}`);
    assert.ok(own <= answered + lost, `charged for nothing; ${about}`);
    assert.ok(own <= taken, `charged and not settled; ${about}`);
    // A refusal for want of the chain may have left its credit on the lane, prepaid.
    assert.ok(taken <= answered + lost + unavailable(lane), `taken for nothing; ${about}`);
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
  call: Pick<CallersOptions, "cid" | "answer">,
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
