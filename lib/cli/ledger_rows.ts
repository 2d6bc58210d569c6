/** The journal's entries as `ledger` prints them, one after another. */
import { formatUsdc } from "../chain/usdc.ts";
import { creditsCount } from "../credits_text.ts";
import { UINT128_MAX } from "../permit.ts";
import type { Recorded } from "../provider/ledger/codec.ts";
import type { JournalCharge } from "../provider/ledger/postgres/journal_pages.ts";
import { timeText } from "../time_text.ts";

/** One entry as it is printed: flat, without a permit's signature. */
export interface LedgerRow {
  /** Null in a fleet's, whose charges have no numbers but those of their reservations. */
  seq: number | null;
  at: string;
  kind: Recorded["kind"];
  payer: string;
  lane: string;
  reservation: number | null;
  deployment: string | null;
  /** USDC base units. */
  price: bigint | null;
  /** The lane's counter, charged or settled by the kind of entry; of a permit, its credits. */
  credits: bigint | null;
  detail: string | null;
  transaction: string | null;
}

const COLUMNS: readonly (keyof LedgerRow)[] = [
  "seq",
  "at",
  "kind",
  "payer",
  "lane",
  "reservation",
  "deployment",
  "price",
  "credits",
  "detail",
  "transaction",
];

export function* rowsOf(entries: Iterable<Recorded>): Generator<LedgerRow> {
  for (const entry of entries) yield rowOf(entry);
}

/** The charges of a fleet, in the same columns. */
export async function* rowsOfCharges(charges: AsyncIterable<JournalCharge>) {
  for await (const charge of charges) yield rowOfCharge(charge);
}

function rowOfCharge({ at, payer, lane, reservation, ...charge }: JournalCharge): LedgerRow {
  const { cid: deployment, price, charged: credits, outcome: detail } = charge;
  const run = { payer, lane, reservation, deployment, price, credits, detail };
  return { seq: null, at: at.toISOString(), kind: "charge", ...run, transaction: null };
}

function rowOf(entry: Recorded): LedgerRow {
  const { seq, kind, payer, lane } = entry;
  const row = {
    seq,
    at: entry.at.toISOString(),
    kind,
    payer,
    lane,
    reservation: null,
    deployment: null,
    price: null,
    credits: null,
    detail: null,
    transaction: null,
  };
  switch (entry.kind) {
    case "open":
      return { ...row, credits: entry.charged };
    case "permit": {
      const { price, credits, deadline, epoch } = entry.permit;
      return { ...row, price, credits, detail: `deadline ${timeText(deadline)}, epoch ${epoch}` };
    }
    case "reserve": {
      const { reservation, cid: deployment, price } = entry;
      return { ...row, reservation, deployment, price };
    }
    case "charge": {
      const { reservation, outcome, facts } = entry;
      return { ...row, reservation, detail: outcome, credits: facts?.charged ?? null };
    }
    case "release":
      return { ...row, reservation: entry.reservation, detail: entry.reason };
    case "settle": {
      const { settled: credits, block, transaction } = entry;
      return { ...row, credits, detail: `block ${block}`, transaction };
    }
    case "skip": {
      const { charged: credits, reason, transaction } = entry;
      return { ...row, credits, detail: reason, transaction };
    }
  }
}

function lineOf(row: LedgerRow): string {
  const { seq, at, kind, payer, lane, reservation, deployment, price, credits, detail } = row;
  const facts = [
    reservation === null ? null : `#${reservation}`,
    credits === null ? null : `credits ${creditsCount(credits)}`,
    price === null ? null : `${formatUsdc(price)} USDC`,
    deployment,
    detail,
    row.transaction,
  ].filter((fact) => fact !== null);
  const number = seq === null ? "" : `${String(seq).padStart(6)} `;
  const head = `${number}${at} ${kind.padEnd(7)}`;
  return `${head} ${payer} ${lane.slice(0, 10)}… ${facts.join(" ")}`;
}

/** The entries for a person. */
export function* textLines(rows: Iterable<LedgerRow>): Generator<string> {
  for (const row of rows) yield lineOf(row);
}

/** The same of rows that are waited for. */
export async function* textLinesOf(rows: AsyncIterable<LedgerRow>): AsyncGenerator<string> {
  for await (const row of rows) yield lineOf(row);
}

/** RFC 4180. */
export function* csvLines(rows: Iterable<LedgerRow>): Generator<string> {
  yield COLUMNS.join();
  for (const row of rows) yield csvLineOf(row);
}

/** The same of rows that are waited for. */
export async function* csvLinesOf(rows: AsyncIterable<LedgerRow>): AsyncGenerator<string> {
  yield COLUMNS.join();
  for await (const row of rows) yield csvLineOf(row);
}

function csvLineOf(row: LedgerRow): string {
  return COLUMNS.map((column) => cell(row[column])).join();
}

function cell(value: unknown): string {
  const text = value === UINT128_MAX ? "unlimited" : String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
