/**
 * The book and its journal, one SQLite file (WAL). An entry counts at once for every decision made
 * in this process; `write` says how far it must have got on its way to the disk before the caller
 * goes on. Should the machine lose its power, the last entries that were only handed over are lost,
 * none before one that is there: that is the provider's loss and nobody else's.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  COLUMNS,
  fromRow,
  type Recorded,
  type Row,
  SCHEMA,
  type StoredRow,
  toRow,
} from "./codec.ts";
import { type Durable, openDurable } from "./durable.ts";
import { GroupCommit, type Until } from "./group_commit.ts";
import {
  apply,
  type Book,
  type ChargeEntry,
  emptyBook,
  type Entry,
  type ReceiptFacts,
  type ReleaseEntry,
} from "./journal.ts";
import { Receipted, RECEIPTED_SCHEMA } from "./receipted.ts";
import { assertLedgerVersion, LEDGER_VERSION } from "./version.ts";

/** Which entries to read; without any member all of them. */
export interface JournalFilter {
  payer?: Address;
  lane?: Hex;
  /** Of runs of this deployment. */
  cid?: CidText;
  since?: Date;
}

/** A charge for which there is a receipt. */
export type ReceiptedCharge = Recorded & ChargeEntry & { facts: ReceiptFacts };

export interface Store {
  /** What all entries so far amount to. */
  readonly book: Book;
  /**
   * Applies the entries to the book at once, then writes them.
   * Rejects with KhachapuriError `overloaded` when the ledger cannot be written, with an Error
   * when an entry contradicts the book; it never throws at once.
   */
  write(entries: readonly Entry[], until: Until): Promise<void>;
  /** How many entries have come since the start. */
  mark(): number;
  /** Whether everything up to a mark is on disk. */
  isOnDisk(mark: number): boolean;
  /** Resolves when everything so far is on disk. */
  sync(): Promise<void>;
  /** The charge that ended a reservation whose payer was the caller itself. */
  receipted(reservation: number): ReceiptedCharge | undefined;
  /** Past entries, oldest first. */
  read(filter: JournalFilter): Iterable<Recorded>;
  close(): Promise<void>;
}

/**
 * Opens (or creates) the ledger at `path` and releases what a crash left reserved.
 * @param now the clock, ms since the epoch
 * @throws KhachapuriError `invalid_config` for a ledger of another version; Error when the file is
 *   damaged
 */
export async function openStore(path: string, now: () => number = Date.now): Promise<Store> {
  assertLedgerVersion(path);
  const durable = openDurable(path, `${SCHEMA}; ${RECEIPTED_SCHEMA}`, LEDGER_VERSION);
  const { database } = durable;
  const book = replay(database);
  const receipted = new Receipted(database);
  const commit = openCommit(durable, receipted);
  const store: Store = {
    book,
    write(entries, until) {
      const at = now();
      try {
        for (const entry of entries) apply(book, entry, at);
      } catch (error) {
        return Promise.reject(error);
      }
      return commit.write(entries.map((entry) => toRow(entry, at)), until);
    },
    mark: () => commit.mark(),
    isOnDisk: (mark) => commit.isOnDisk(mark),
    sync: () => commit.sync(),
    receipted(reservation) {
      const row = receipted.find(reservation);
      const charge = row && fromRow(row);
      return charge?.kind === "charge" && charge.facts ? charge as ReceiptedCharge : undefined;
    },
    read: (filter) => readRows(database, filter),
    async close() {
      await commit.close().finally(durable.close);
    },
  };
  await releaseAbandoned(store);
  return store;
}

/** Reads the ledger at `path` while a provider may be writing it; nothing is changed. */
export function readJournal(path: string, filter: JournalFilter): Recorded[] {
  assertLedgerVersion(path);
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return [...readRows(database, filter)];
  } finally {
    database.close();
  }
}

/** Rows that one statement inserts. */
const INSERT_ROWS = 64;

function openCommit({ database, sync }: Durable, receipted: Receipted): GroupCommit<Row> {
  const insert = openInsert(database);
  return new GroupCommit<Row>({
    write(rows) {
      try {
        if (rows.length <= INSERT_ROWS) insert(rows);
        else {
          inTransaction(database, () => {
            for (let at = 0; at < rows.length; at += INSERT_ROWS) {
              insert(rows.slice(at, at + INSERT_ROWS));
            }
          });
        }
      } catch (cause) {
        throw unwritable(cause);
      }
    },
    async sync() {
      try {
        receipted.note();
        await sync();
      } catch (cause) {
        throw unwritable(cause);
      }
    },
  });
}

/** One statement for each number of rows, made when it is first needed. */
function openInsert(database: DatabaseSync): (rows: readonly Row[]) => void {
  const placeholders = `(${COLUMNS.split(", ").map(() => "?").join(", ")})`;
  const statements: StatementSync[] = [];
  return (rows) => {
    const count = rows.length;
    statements[count] ??= database.prepare(
      `INSERT INTO journal (${COLUMNS}) VALUES ${Array(count).fill(placeholders).join(", ")}`,
    );
    statements[count].run(...rows.flat());
  };
}

function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function unwritable(cause: unknown): KhachapuriError {
  return new KhachapuriError("overloaded", "the ledger cannot be written", {
    cause,
    hints: ["check the disk that holds the state directory, then restart the provider"],
  });
}

async function releaseAbandoned({ book, write }: Store): Promise<void> {
  const abandoned = [...book.reservations].map(([reservation, { payer, lane }]): ReleaseEntry => (
    { kind: "release", payer, lane, reservation, reason: "restart" }
  ));
  if (abandoned.length > 0) await write(abandoned, "disk");
}

function replay(database: DatabaseSync): Book {
  const book = emptyBook();
  for (const recorded of readRows(database, {})) {
    apply(book, recorded, recorded.at.getTime());
  }
  return book;
}

function* readRows(database: DatabaseSync, filter: JournalFilter): Iterable<Recorded> {
  const where: string[] = [];
  const values: (string | number)[] = [];
  const add = (clause: string, value: string | number) => {
    where.push(clause);
    values.push(value);
  };
  if (filter.payer) add("payer = ?", filter.payer);
  if (filter.lane) add("lane = ?", filter.lane);
  if (filter.since) add("at >= ?", filter.since.getTime());
  if (filter.cid) {
    add("reservation IN (SELECT reservation FROM journal WHERE deployment = ?)", filter.cid);
  }
  const condition = where.length > 0 ? `WHERE ${where.join(" AND ")}` : "";
  const rows = database.prepare(`SELECT * FROM journal ${condition} ORDER BY seq`);
  for (const row of rows.iterate(...values)) yield fromRow(row as unknown as StoredRow);
}
