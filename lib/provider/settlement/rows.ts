/** The rows of several lanes: their sum, their order, and as many as fit an amount. */
import type { LaneId } from "../ledger/journal.ts";
import type { LaneState } from "../ledger/ledger.ts";
import type { Row as LaneRow } from "../ledger/rows.ts";

/** A row of a batch, with its lane. */
export interface Row extends LaneRow {
  readonly lane: LaneState;
}

export function keyOf({ payer, lane }: LaneId): string {
  return `${payer}:${lane}`;
}

/** USDC base units that rows come to. */
export function amountOf(rows: readonly Row[]): bigint {
  return rows.reduce((sum, { charge, fresh }) => sum + fresh * charge.price, 0n);
}

/** A payer's rows side by side, a lane's in their order: neighbours share reads of storage. */
export function sideBySide(rows: readonly Row[]): Row[] {
  return rows.toSorted(({ lane: { payer: a } }, { lane: { payer: b } }) =>
    a < b ? -1 : a > b ? 1 : 0
  );
}

/** The rows that come to at most `room` together, USDC base units; of a row as much as fits. */
export function fitting(rows: readonly Row[], room: bigint): Row[] {
  const within: Row[] = [];
  const cut = new Set<string>();
  let left = room;
  for (const row of rows) {
    const key = keyOf(row.lane);
    // A lane's later rows go on from where the earlier ones end.
    if (cut.has(key)) continue;
    const { charge, fresh } = row;
    const affordable = charge.price === 0n ? fresh : left / charge.price;
    const taken = affordable < fresh ? affordable : fresh;
    if (taken < fresh) cut.add(key);
    if (taken === 0n) continue;
    const credits = charge.credits - fresh + taken;
    within.push({ ...row, charge: { ...charge, credits }, fresh: taken });
    left -= taken * charge.price;
  }
  return within;
}
