/**
 * The durable ledger: an append-only journal in SQLite (WAL), one file. An entry counts at once for
 * every decision made in this process. It is on disk when `append` resolves; entries that arrive
 * while a commit is under way share the next, so concurrency does not multiply syncs. What is only
 * committed outlives this process, and is on disk a few ms later: should the machine lose its power
 * before, the provider has lost those entries, in the order in which they came.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { permitFromJson, permitToJson } from "../../permit.ts";
import { type Durable, openDurable } from "./durable.ts";
import { createGroupCommit, type GroupCommit } from "./group_commit.ts";
import {
  type Account,
  accountOf,
  apply,
  type Book,
  emptyBook,
  type Entry,
  type Lane,
  laneOf,
  lanesOf,
  type Outcome,
  type RunFacts,
} from "./journal.ts";

/** An entry as it was written: when, and in which order. */
export type Recorded = Entry & { seq: number; at: Date };

export interface LedgerFilter {
  payer?: Address;
  lane?: Hex;
  deployment?: string;
  since?: Date;
}

/** A charge for which there is a receipt. */
export type Receipted = Extract<Recorded, { kind: "charge" }> & { facts: RunFacts };

export interface Ledger {
  /** The lane, or undefined while nobody has opened it. */
  lane(payer: Address, lane: Hex): Lane | undefined;
  lanes(): Iterable<Lane>;
  /** A payer's lanes and their sums. */
  account(payer: Address): Account | undefined;
  /** What runs have used and the escrow has not paid; USDC base units. */
  unsettled(): bigint;
  /** What is reserved and has not ended may still cost; USDC base units. */
  held(): bigint;
  /** A number that no reservation had before. */
  nextReservation(): number;
  /** Applies the entries at once; resolves when they are on disk. */
  append(...entries: Entry[]): Promise<void>;
  /**
   * Applies the entries at once; when it resolves no end of this process can undo them. Rejects
   * with KhachapuriError `overloaded` when the ledger cannot be written.
   */
  commit(...entries: Entry[]): Promise<void>;
  /** How many entries have come since the start. */
  mark(): number;
  /** Whether everything up to a mark is on disk. */
  isDurable(mark: number): boolean;
  /** Resolves when everything so far is on disk. */
  sync(): Promise<void>;
  /** The charge in which a reservation ended whose payer was the caller itself. */
  receipted(reservation: number): Receipted | undefined;
  /** Past entries, oldest first. */
  read(filter: LedgerFilter): Iterable<Recorded>;
  close(): Promise<void>;
}

/** Such charges alone are looked up, so they alone cost a call an index. */
const IS_RECEIPTED = "kind = 'charge' AND detail LIKE '[%'";
const SCHEMA = `
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
  ) STRICT;
  DROP INDEX IF EXISTS journal_by_reservation;
  CREATE INDEX IF NOT EXISTS journal_receipted ON journal (reservation) WHERE ${IS_RECEIPTED};
`;

/**
 * Opens (or creates) the ledger at `path` and releases what a crash left reserved.
 * @param now the clock, ms since the epoch
 * @throws Error when the file is damaged
 */
export async function openLedger(path: string, now: () => number = Date.now): Promise<Ledger> {
  const durable = openDurable(path, SCHEMA);
  const { database } = durable;
  const book = replay(database);
  const receipted = database.prepare(
    `SELECT * FROM journal WHERE reservation = ? AND ${IS_RECEIPTED}`,
  );
  const commit = openCommit(durable, now);
  const ledger: Ledger = {
    lane: (payer, lane) => laneOf(book, payer, lane),
    lanes: () => lanesOf(book),
    account: (payer) => accountOf(book, payer),
    unsettled: () => book.unsettled,
    held: () => book.held,
    nextReservation: () => book.nextReservation++,
    append(...entries) {
      for (const entry of entries) apply(book, entry);
      return commit.add(entries);
    },
    async commit(...entries) {
      for (const entry of entries) apply(book, entry);
      await commit.write(entries);
    },
    mark: commit.mark,
    isDurable: commit.isSynced,
    sync: commit.sync,
    receipted(reservation) {
      const row = receipted.get(reservation) as unknown as StoredRow | undefined;
      const charge = row && fromRow(row);
      return charge?.kind === "charge" && charge.facts ? charge as Receipted : undefined;
    },
    read: (filter) => readJournal(database, filter),
    async close() {
      await commit.close().finally(durable.close);
    },
  };
  await releaseAbandoned(ledger, book);
  return ledger;
}

/** Opens the ledger for reading while a provider may be writing it; nothing is changed. */
export function readLedger(path: string, filter: LedgerFilter): Recorded[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return [...readJournal(database, filter)];
  } finally {
    database.close();
  }
}

/** Rows that one statement inserts. */
const INSERT_ROWS_MAX = 64;

function openCommit({ database, sync }: Durable, now: () => number): GroupCommit<Entry> {
  const into =
    "INSERT INTO journal (at, kind, payer, lane, reservation, deployment, amount, detail)";
  const row = "(?, ?, ?, ?, ?, ?, ?, ?)";
  /** For each number of rows one, as they are needed: far cheaper than as many statements. */
  const inserts: StatementSync[] = [];
  function insert(rows: readonly Row[]): void {
    const count = rows.length;
    inserts[count] ??= database.prepare(`${into} VALUES ${Array(count).fill(row).join(", ")}`);
    inserts[count].run(...rows.flat());
  }
  function inOne(work: () => void): void {
    database.exec("BEGIN IMMEDIATE");
    try {
      work();
      database.exec("COMMIT");
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }
  return createGroupCommit<Entry>({
    write(entries) {
      const rows = entries.map((entry) => toRow(entry, now()));
      try {
        if (rows.length <= INSERT_ROWS_MAX) insert(rows);
        else {
          inOne(() => {
            for (let at = 0; at < rows.length; at += INSERT_ROWS_MAX) {
              insert(rows.slice(at, at + INSERT_ROWS_MAX));
            }
          });
        }
      } catch (cause) {
        throw unwritable(cause);
      }
    },
    sync: () =>
      sync().catch((cause) => {
        throw unwritable(cause);
      }),
  });
}

function unwritable(cause: unknown): KhachapuriError {
  return new KhachapuriError("overloaded", "the ledger cannot be written", {
    cause,
    hints: ["check the disk that holds the state directory, then restart the provider"],
  });
}

async function releaseAbandoned(ledger: Ledger, book: Book): Promise<void> {
  const abandoned = [...book.reservations].map(([reservation, { payer, lane }]): Entry => (
    { kind: "release", payer, lane, reservation, reason: "restart" }
  ));
  if (abandoned.length > 0) await ledger.append(...abandoned);
}

function replay(database: DatabaseSync): Book {
  const book = emptyBook();
  for (const recorded of readJournal(database, {})) apply(book, recorded);
  return book;
}

type Row = [
  at: number,
  kind: string,
  payer: string,
  lane: string,
  reservation: number | null,
  deployment: string | null,
  amount: string | null,
  detail: string | null,
];

function toRow(entry: Entry, at: number): Row {
  const { kind, payer, lane } = entry;
  switch (entry.kind) {
    case "open":
      return [at, kind, payer, lane, null, null, String(entry.credits), null];
    case "permit":
      return [at, kind, payer, lane, null, null, null, JSON.stringify(permitToJson(entry.permit))];
    case "reserve": {
      const { reservation, deployment, price } = entry;
      return [at, kind, payer, lane, reservation, deployment, String(price), null];
    }
    case "charge":
      return [at, kind, payer, lane, entry.reservation, null, null, chargeDetail(entry)];
    case "release":
      return [at, kind, payer, lane, entry.reservation, null, null, entry.reason];
    case "settle":
      return [at, kind, payer, lane, null, null, String(entry.credits), settleDetail(entry)];
    case "skip": {
      const detail = JSON.stringify([entry.reason, entry.transaction]);
      return [at, kind, payer, lane, null, null, String(entry.credits), detail];
    }
  }
}

/** The outcome, and with it what a receipt will say. */
function chargeDetail({ outcome, facts }: Extract<Entry, { kind: "charge" }>): string {
  if (!facts) return outcome;
  const { cumulative, requestHash, responseHash, startedAt, durationMs } = facts;
  const run = [String(cumulative), requestHash, responseHash, startedAt, durationMs];
  return JSON.stringify([outcome, ...run, facts.deployment, String(facts.price)]);
}

function chargeOf(detail: string): { outcome: Outcome; facts?: RunFacts } {
  if (!detail.startsWith("[")) return { outcome: detail as Outcome };
  const [outcome, cumulative, ...run] = JSON.parse(detail);
  const [requestHash, responseHash, startedAt, durationMs, deployment, price] = run;
  // Written before a receipt's every word stood here: there is none any more.
  if (price === undefined) return { outcome };
  const counts = { cumulative: BigInt(cumulative), price: BigInt(price), startedAt, durationMs };
  return { outcome, facts: { ...counts, requestHash, responseHash, deployment } };
}

function settleDetail({ block, transaction }: Extract<Entry, { kind: "settle" }>): string {
  return JSON.stringify([String(block), transaction]);
}

interface StoredRow {
  seq: number;
  at: number;
  kind: Entry["kind"];
  payer: Address;
  lane: Hex;
  reservation: number;
  deployment: string;
  amount: string;
  detail: string | null;
}

function fromRow(row: StoredRow): Recorded {
  return { ...entryOf(row), seq: row.seq, at: new Date(row.at) };
}

function entryOf(row: StoredRow): Entry {
  const { kind, payer, lane, reservation, deployment, amount, detail } = row;
  switch (kind) {
    case "open":
      return { kind, payer, lane, credits: BigInt(amount) };
    case "permit":
      return { kind, payer, lane, permit: permitFromJson(JSON.parse(detail!)) };
    case "reserve":
      return { kind, payer, lane, reservation, deployment, price: BigInt(amount) };
    case "charge":
      return { kind, payer, lane, reservation, ...chargeOf(detail!) };
    case "release":
      return { kind, payer, lane, reservation, reason: detail! };
    case "settle": {
      const [block, transaction] = JSON.parse(detail!);
      return { kind, payer, lane, credits: BigInt(amount), block: BigInt(block), transaction };
    }
    case "skip": {
      const [reason, transaction] = JSON.parse(detail!);
      return { kind, payer, lane, credits: BigInt(amount), reason, transaction };
    }
  }
}

function* readJournal(database: DatabaseSync, filter: LedgerFilter): Iterable<Recorded> {
  const where: string[] = [];
  const values: (string | number)[] = [];
  const add = (clause: string, value: string | number) => {
    where.push(clause);
    values.push(value);
  };
  if (filter.payer) add("payer = ?", filter.payer);
  if (filter.lane) add("lane = ?", filter.lane);
  if (filter.since) add("at >= ?", filter.since.getTime());
  if (filter.deployment) {
    add(
      "reservation IN (SELECT reservation FROM journal WHERE deployment = ?)",
      filter.deployment,
    );
  }
  const condition = where.length > 0 ? `WHERE ${where.join(" AND ")}` : "";
  const rows = database.prepare(`SELECT * FROM journal ${condition} ORDER BY seq`);
  for (const row of rows.iterate(...values)) yield fromRow(row as unknown as StoredRow);
}
