/**
 * A payer allows more: lanes that the escrow refused for want of credits, or of a higher price, may
 * be settled now. Only as many are tried as the allowance covers, and only when the escrow would
 * take them: a cheap `allow` of a payer with a thousand refused lanes costs us a few reads.
 */
import type { Address } from "viem";
import type { Allowance } from "../../chain/escrow.ts";
import type { Log } from "../../log.ts";
import { permitRefusal } from "../ledger/judge.ts";
import { rowsOf } from "../ledger/rows.ts";
import type { LaneState, Ledger } from "../ledger/ledger.ts";
import { level, readAllowances, type Site } from "./counters.ts";
import type { Row } from "./rows.ts";

export interface RevivalOptions extends Site {
  ledger: Pick<Ledger, "record" | "refused">;
  /** What the escrow would pay for rows now, USDC base units. */
  simulate(rows: readonly Row[]): Promise<bigint>;
  log: Log;
  /** Ms since the epoch. */
  now: () => number;
}

/** Refusals that more credits, a higher price or the permit's epoch can cure. */
const CURABLE: ReadonlySet<string> = new Set([
  "InsufficientCredits",
  "PriceTooHigh",
  "WrongEpoch",
]);

/** Lanes that are simulated at a time. */
const LANES_AT_ONCE = 200;

export class Revival {
  readonly #asked = new Set<Address>();
  /** One payer after the other: whoever allows often waits for itself. */
  #work: Promise<void> = Promise.resolve();

  constructor(private readonly options: RevivalOptions) {}

  /** What the payer's allowance covers now is due again, when the chain has been asked. */
  revive(payer: Address): void {
    if (this.#asked.has(payer)) return;
    this.#asked.add(payer);
    this.#work = this.#work.then(() => {
      this.#asked.delete(payer);
      return this.#revive(payer);
    }).catch((error) => this.options.log.warn("refused lanes not looked at", { payer, error }));
  }

  /** Resolves when everybody that was asked for has been looked at. */
  async idle(): Promise<void> {
    await this.#work;
  }

  async #revive(payer: Address): Promise<void> {
    const { ledger, simulate, log, now } = this.options;
    const refused = await ledger.refused(payer);
    if (!refused.some(({ refused }) => CURABLE.has(refused!))) return;
    const held = (await readAllowances(this.options, [payer])).get(payer)!;
    const curable = curableBy(held, refused, BigInt(Math.floor(now() / 1_000)));
    for (let at = 0; at < curable.length; at += LANES_AT_ONCE) {
      const some = curable.slice(at, at + LANES_AT_ONCE);
      const rows = some.flatMap(({ lane, upTo }) =>
        rowsOf(lane, held, upTo).map((row) => ({ ...row, lane }))
      );
      if (await simulate(rows) === 0n) continue;
      await level(this.options, ledger, some.map(({ lane }) => lane));
      log.info("refused lanes are due again", { payer, lanes: some.length });
    }
  }
}

interface Curable {
  readonly lane: LaneState;
  /** The counter that the allowance covers. */
  readonly upTo: bigint;
}

/** The lanes that an allowance can cure, the first of them as far as its credits go. */
export function curableBy(
  held: Allowance,
  refused: readonly LaneState[],
  now: bigint,
): Curable[] {
  const curable: Curable[] = [];
  let left = held.credits;
  for (const lane of refused) {
    if (left === 0n) break;
    if (!CURABLE.has(lane.refused!) || !isTakenBy(held, lane, now)) continue;
    const due = lane.charged - lane.settled;
    const taken = due < left ? due : left;
    curable.push({ lane, upTo: lane.settled + taken });
    left -= taken;
  }
  return curable;
}

function isTakenBy(held: Allowance, lane: LaneState, now: bigint): boolean {
  const rows = rowsOf(lane, held);
  return rows.length > 0 &&
    rows.every(({ charge: { permit, price } }) =>
      price <= held.pricePerCredit &&
      permitRefusal({ permit, price }, held, { now, settleWindow: 0n }) === null
    );
}
