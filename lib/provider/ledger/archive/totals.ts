/** What is counted of rows, so that a part of the journal can go and its sums still be proved. */
import type { StoredRow } from "../codec.ts";

export interface Totals {
  /** Rows of each kind. */
  readonly rows: Partial<Record<StoredRow["kind"], number>>;
  /** Credits that the escrow had taken on lanes before they were opened here. */
  opened: bigint;
  /** USDC base units of the credits that were reserved, and charged or released after that. */
  reserved: bigint;
  charged: bigint;
  released: bigint;
}

export function noTotals(): Totals {
  return { rows: {}, opened: 0n, reserved: 0n, charged: 0n, released: 0n };
}

/** @param price of the reservation that the row is of; null: of none that is known */
export function count(totals: Totals, { kind, amount }: StoredRow, price: string | null): void {
  totals.rows[kind] = (totals.rows[kind] ?? 0) + 1;
  if (kind === "open") totals.opened += BigInt(amount);
  if (kind === "reserve") totals.reserved += BigInt(amount);
  if (kind === "charge") totals.charged += BigInt(price ?? 0);
  if (kind === "release") totals.released += BigInt(price ?? 0);
}

export function sumOf(all: Iterable<Totals>): Totals {
  const sum = noTotals();
  for (const { rows, opened, reserved, charged, released } of all) {
    for (const [kind, number] of Object.entries(rows) as [StoredRow["kind"], number][]) {
      sum.rows[kind] = (sum.rows[kind] ?? 0) + number;
    }
    sum.opened += opened;
    sum.reserved += reserved;
    sum.charged += charged;
    sum.released += released;
  }
  return sum;
}

export function totalsText(totals: Totals): string {
  const sorted = Object.fromEntries(Object.entries(totals.rows).sort());
  const { opened, reserved, charged, released } = totals;
  return JSON.stringify([sorted, ...[opened, reserved, charged, released].map(String)]);
}

/** What `totalsText` has written. */
export function totalsFrom(text: string): Totals {
  const [rows, ...amounts] = JSON.parse(text);
  const [opened, reserved, charged, released] = amounts.map(BigInt);
  return { rows, opened, reserved, charged, released };
}
