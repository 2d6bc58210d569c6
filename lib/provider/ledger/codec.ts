/** Journal entries as rows of the ledger's table, and back. */
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { permitFromJson, permitToJson } from "../../permit.ts";
import type {
  ChargeEntry,
  Entry,
  Outcome,
  PermitEntry,
  ReceiptFacts,
  SettleEntry,
} from "./entries.ts";

/** An entry as it was written: when, and in which order. */
export type Recorded = Entry & { seq: number; at: Date };

/** The columns of a row, in the order of `COLUMNS`. */
export type Row = [
  at: number,
  kind: string,
  payer: string,
  lane: string,
  reservation: number | null,
  deployment: string | null,
  amount: string | null,
  detail: string | null,
];

/** What SQLite gives back of a row. */
export interface StoredRow {
  seq: number;
  at: number;
  kind: Entry["kind"];
  payer: Address;
  lane: Hex;
  reservation: number;
  deployment: CidText;
  amount: string;
  detail: string | null;
}

export const COLUMNS = "at, kind, payer, lane, reservation, deployment, amount, detail";

export const SCHEMA = `
  CREATE TABLE IF NOT EXISTS journal (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    payer TEXT NOT NULL,
    lane TEXT NOT NULL,
    reservation INTEGER,
    deployment TEXT,
    amount TEXT,
    detail TEXT
  ) STRICT
`;

/** In SQL: whether a row is a charge with a receipt, whose detail is a list (`chargeDetail`). */
export const IS_RECEIPTED = "kind = 'charge' AND detail LIKE '[%'";

/** The same of a row that is here. */
export function isReceipted({ kind, detail }: Pick<StoredRow, "kind" | "detail">): boolean {
  return kind === "charge" && detail !== null && detail.startsWith("[");
}

/** @param at Unix ms */
export function toRow(entry: Entry, at: number): Row {
  const { kind, payer, lane } = entry;
  switch (entry.kind) {
    case "open":
      return [at, kind, payer, lane, null, null, String(entry.charged), null];
    case "permit":
      return [at, kind, payer, lane, null, null, entry.signer ?? null, permitText(entry)];
    case "reserve": {
      const { reservation, cid, price } = entry;
      return [at, kind, payer, lane, reservation, cid, String(price), null];
    }
    case "charge":
      return [at, kind, payer, lane, entry.reservation, null, null, chargeDetail(entry)];
    case "release":
      return [at, kind, payer, lane, entry.reservation, null, null, entry.reason];
    case "settle":
      return [at, kind, payer, lane, null, null, String(entry.settled), settleDetail(entry)];
    case "skip": {
      const detail = JSON.stringify([entry.reason, entry.transaction]);
      return [at, kind, payer, lane, null, null, String(entry.charged), detail];
    }
  }
}

/** A row as SQLite would give it back. */
export function storedRow(seq: number, row: Row): StoredRow {
  const [at, kind, payer, lane, reservation, deployment, amount, detail] = row;
  const columns = { seq, at, kind, payer, lane, reservation, deployment, amount, detail };
  return columns as StoredRow;
}

/** @throws Error when the row is none of ours */
export function fromRow(row: StoredRow): Recorded {
  return { ...entryOf(row), seq: row.seq, at: new Date(row.at) };
}

function entryOf(row: StoredRow): Entry {
  const { kind, payer, lane, reservation, deployment: cid, amount, detail } = row;
  switch (kind) {
    case "open":
      return { kind, payer, lane, charged: BigInt(amount) };
    case "permit":
      return { kind, payer, lane, ...permitOf(amount as Address | null, detail!) };
    case "reserve":
      return { kind, payer, lane, reservation, cid, price: BigInt(amount) };
    case "charge":
      return { kind, payer, lane, reservation, ...chargeOf(detail!) };
    case "release":
      return { kind, payer, lane, reservation, reason: detail! };
    case "settle": {
      const [block, transaction] = JSON.parse(detail!);
      return { kind, payer, lane, settled: BigInt(amount), block: BigInt(block), transaction };
    }
    case "skip": {
      const [reason, transaction] = JSON.parse(detail!);
      return { kind, payer, lane, charged: BigInt(amount), reason, transaction };
    }
    default:
      // What the file says is not bound by our types.
      throw new Error(`row ${row.seq} of the ledger is of an unknown kind, ${kind}`);
  }
}

function permitText({ permit }: PermitEntry): string {
  return JSON.stringify(permitToJson(permit));
}

function permitOf(signer: Address | null, detail: string): Pick<PermitEntry, "permit" | "signer"> {
  const permit = permitFromJson(JSON.parse(detail));
  return signer === null ? { permit } : { permit, signer };
}

/**
 * The outcome alone, or with it, as a list, what a receipt will say. Of a charge that came here
 * from another store and has no receipt, the outcome and the lane's counter with it.
 */
function chargeDetail({ outcome, facts }: ChargeEntry): string {
  if (!facts) return outcome;
  const { charged, requestHash, responseHash, startedAt, durationMs, credits } = facts;
  const run = [String(charged), requestHash, responseHash, startedAt, durationMs];
  const taken = credits === 1 ? [] : [credits];
  return JSON.stringify([outcome, ...run, facts.cid, String(facts.price), ...taken]);
}

function chargeOf(detail: string): { outcome: Outcome; facts?: ReceiptFacts } {
  if (!detail.startsWith("[")) return { outcome: detail.split(" ")[0] as Outcome };
  const [outcome, charged, ...run] = JSON.parse(detail);
  const [requestHash, responseHash, startedAt, durationMs, cid, price, credits = 1] = run;
  // Written by a version that kept only a part of what a receipt says: there is no receipt of it.
  if (price === undefined) return { outcome };
  const counts = { charged: BigInt(charged), price: BigInt(price), credits };
  const times = { startedAt, durationMs };
  return { outcome, facts: { ...counts, ...times, requestHash, responseHash, cid } };
}

/** What a charge that came from another store says of its lane's counter. */
export function withCounter(outcome: Outcome, charged: bigint): string {
  return `${outcome} ${charged}`;
}

/** What a charge's row says of its lane's counter; null: nothing. */
export function counterIn(detail: string): bigint | null {
  const [, counter] = detail.startsWith("[") ? JSON.parse(detail) : detail.split(" ");
  return counter === undefined ? null : BigInt(counter);
}

function settleDetail({ block, transaction }: SettleEntry): string {
  return JSON.stringify([String(block), transaction]);
}
