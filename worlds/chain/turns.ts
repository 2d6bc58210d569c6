/**
 * Who waited too long: the promise of settlement, judged by what is written down of every debt. No
 * order of payers, no dust of others and no burst may keep one from its turn.
 */
import type { Address, Hex } from "viem";

/** Credits of a lane that were due together. Times in Unix seconds. */
export interface Debt {
  payer: Address;
  lane: Hex;
  /** When the oldest of them was charged. */
  chargedAt: number;
  /** When the escrow had taken them; null: it has not yet. */
  settledAt: number | null;
  /** The last second at which it would: of the permit, its epoch or the thaw. */
  endsAt: number;
  /** What its row costs. */
  gas: number;
}

/** How fast settlement is to go. */
export interface Pace {
  /** From one round to the next. */
  intervalSeconds: number;
  blockSeconds: number;
  /** What all rows together may use of a block. */
  shareGas: number;
}

export interface Overdue {
  debt: Debt;
  /** When it had to be settled at the latest. */
  by: number;
}

/**
 * The debts that waited more than a round and a block beyond their turn, or to their end, as of
 * `now`. A debt's turn comes when the round after its charge begins; that round has all that is due
 * by then, in blocks of `shareGas`, and nothing that is charged later.
 */
export function overdue(debts: readonly Debt[], pace: Pace, now: number): Overdue[] {
  return debts.map((debt) => ({ debt, by: latest(debt, debts, pace) }))
    .filter(({ debt: { settledAt }, by }) => (settledAt ?? now) > by);
}

function latest(debt: Debt, debts: readonly Debt[], pace: Pace): number {
  const { intervalSeconds, blockSeconds, shareGas } = pace;
  const turn = debt.chargedAt + intervalSeconds;
  const ahead = debts.filter(({ chargedAt, settledAt }) =>
    chargedAt <= turn && (settledAt === null || settledAt > debt.chargedAt)
  );
  // A lane has one row, however often it was used.
  const rows = new Map(ahead.map(({ payer, lane, gas }) => [`${payer}:${lane}`, gas]));
  const gas = [...rows.values()].reduce((sum, each) => sum + each, 0);
  const roundSeconds = Math.ceil(gas / shareGas) * blockSeconds;
  return Math.min(turn + roundSeconds + blockSeconds, debt.endsAt);
}
