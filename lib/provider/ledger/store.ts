/**
 * The book and its journal (journal_table.ts). An entry counts at once for every decision made
 * in this process; `write` says how far it must have got on its way to the disk before the caller
 * goes on. Should the machine lose its power, the last entries that were only handed over are lost,
 * none before one that is there: that is the provider's loss and nobody else's.
 */
import { DatabaseSync } from "node:sqlite";
import { Distribution } from "../../distribution.ts";
import { KhachapuriError } from "../../errors.ts";
import { isFull } from "../../files.ts";
import { MACHINE_RETRY_SECONDS } from "../../limits_of_machine.ts";
import { Ballast } from "./ballast.ts";
import { Maintenance, type MaintenanceOptions } from "./archive/maintenance.ts";
import { fromRow, type Recorded, type Row, type StoredRow, toRow } from "./codec.ts";
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
import { type JournalFilter, readJournal, streamJournal } from "./journal_reader.ts";
import { JournalTable } from "./journal_table.ts";
import { assertLedgerVersion, isThere } from "./version.ts";

/** Of a sync, seconds. */
const SYNC_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

export { type JournalFilter, readJournal };

/** A charge for which there is a receipt. */
export type ReceiptedCharge = Recorded & ChargeEntry & { facts: ReceiptFacts };

export interface Store {
  /** What all entries so far amount to. */
  readonly book: Book;
  /** How long the disk took for each sync, seconds. */
  readonly syncs: Distribution;
  /** How many entries there ever were. */
  entries(): number;
  /**
   * Applies the entries to the book at once, then writes them.
   * Rejects with KhachapuriError `overloaded` when the ledger cannot be written, with an Error
   * when an entry contradicts the book; it never throws at once.
   */
  write(entries: readonly Entry[], until: Until): Promise<void>;
  /** Kept for what is written when the disk is full. */
  readonly ballast: Pick<Ballast, "isGivenUp" | "restore">;
  /** Why nothing can be written any more, until another process reads what was; null: it can. */
  failure(): KhachapuriError | null;
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
  /**
   * Indexes the journal and archives its oldest rows, while calls go on; never rejects.
   * @param low the row up to which a start needs none
   */
  maintain(low: number): Promise<void>;
  close(): Promise<void>;
}

/** How the process before left a ledger that is opened. */
export interface LeftStore {
  /** Its runs go on: what it has reserved is theirs, and released by whoever hears of their end. */
  readonly isInUse: boolean;
  /** What was read of it while it was written. */
  readonly ahead: ReadAhead | null;
}

/** A ledger as it was at some time, so that only what came since is to be read. */
export interface ReadAhead {
  readonly book: Book;
  /** The last row that it has. */
  readonly seq: number;
  close(): void;
}

/** How the journal is kept once it is long, where that is not as usual. */
export type Upkeep = Partial<Pick<MaintenanceOptions, "policy" | "layout" | "rest" | "onTrouble">>;

const LEFT_ALONE: LeftStore = { isInUse: false, ahead: null };

/**
 * Reads the ledger at `path` while a provider is writing it. Until it is closed the database stays
 * open, so that whoever closes it last need not put its log away while others wait.
 * @returns null when there is none yet
 */
export function readAhead(path: string): ReadAhead | null {
  if (!isThere(path)) return null;
  assertLedgerVersion(path);
  const database = new DatabaseSync(path, { readOnly: true });
  const book = emptyBook();
  const seq = replay(database, book, 0);
  return { book, seq, close: () => database.close() };
}

/**
 * Opens (or creates) the ledger at `path` and releases what a crash left reserved.
 * @param now the clock, ms since the epoch
 * @throws KhachapuriError `invalid_config` for a ledger of another version; Error when the file is
 *   damaged
 */
export async function openStore(
  path: string,
  now: () => number = Date.now,
  { isInUse, ahead }: LeftStore = LEFT_ALONE,
  upkeep: Upkeep = {},
): Promise<Store> {
  assertLedgerVersion(path);
  const table = await JournalTable.open(path);
  const book = ahead?.book ?? emptyBook();
  replay(table.database, book, ahead?.seq ?? 0);
  const ballast = new Ballast(`${path}-ballast`);
  const syncs = new Distribution(SYNC_SECONDS);
  const commit = openCommit(table, ballast, syncs);
  const { database } = table;
  const maintenance = new Maintenance({ database, path, sync: () => table.sync(), ...upkeep });
  const store: Store = {
    book,
    ballast,
    failure: () => commit.failure(),
    syncs,
    entries: () => table.newest(),
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
      const row = table.receipted(reservation) ?? maintenance.receipt(reservation);
      const charge = row && fromRow(row);
      return charge?.kind === "charge" && charge.facts ? charge as ReceiptedCharge : undefined;
    },
    read: (filter) => streamJournal(path, filter),
    maintain: (low) => maintenance.round(low),
    async close() {
      await maintenance.stop();
      await commit.close().finally(() => {
        ballast.leave();
        table.close();
      });
    },
  };
  if (!isInUse) await releaseAbandoned(store);
  // What a release without an index has left, however long it is, while calls are served.
  void maintenance.round(0);
  return store;
}

function openCommit(
  table: JournalTable,
  ballast: Ballast,
  syncs: Distribution,
): GroupCommit<Row, KhachapuriError> {
  const isAgain = (cause: unknown) => isFull(cause) && ballast.giveUp();
  function write(rows: readonly Row[], isSynced: boolean): void {
    try {
      table.write(rows, isSynced);
    } catch (cause) {
      if (!isAgain(cause)) throw unwritable(cause);
      write(rows, isSynced);
    }
  }
  async function sync(): Promise<void> {
    const begunAt = performance.now();
    try {
      await table.sync();
      syncs.note((performance.now() - begunAt) / 1_000);
    } catch (cause) {
      if (!isAgain(cause)) throw unwritable(cause);
      await sync();
    }
  }
  return new GroupCommit<Row, KhachapuriError>({ write, sync });
}

function unwritable(cause: unknown): KhachapuriError {
  return new KhachapuriError("overloaded", "the ledger cannot be written", {
    cause,
    retryAfterSeconds: MACHINE_RETRY_SECONDS,
    hints: ["the provider begins anew as soon as its disk can be written"],
  });
}

async function releaseAbandoned({ book, write }: Store): Promise<void> {
  const abandoned = [...book.reservations].map(([reservation, { payer, lane }]): ReleaseEntry => (
    { kind: "release", payer, lane, reservation, reason: "restart" }
  ));
  if (abandoned.length > 0) await write(abandoned, "disk");
}

/** Applies what comes behind the row `after`. @returns the last row */
function replay(database: DatabaseSync, book: Book, after: number): number {
  const rows = database.prepare("SELECT * FROM journal WHERE seq > ? ORDER BY seq");
  let seq = after;
  for (const row of rows.iterate(after) as Iterable<unknown>) {
    const recorded = fromRow(row as StoredRow);
    apply(book, recorded, recorded.at.getTime());
    seq = (row as { seq: number }).seq;
  }
  return seq;
}
