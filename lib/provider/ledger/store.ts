/**
 * The book and its journal (journal_table.ts). An entry counts at once for every decision made
 * in this process; `write` says how far it must have got on its way to the disk before the caller
 * goes on. Should the machine lose its power, the last entries that were only handed over are lost,
 * none before one that is there: that is the provider's loss and nobody else's.
 */
import { Distribution } from "../../distribution.ts";
import { KhachapuriError } from "../../errors.ts";
import { isFull } from "../../files.ts";
import { MACHINE_RETRY_SECONDS } from "../../limits_of_machine.ts";
import { Ballast } from "./ballast.ts";
import { Maintenance, type MaintenanceOptions } from "./archive/maintenance.ts";
import { fromRow, type Recorded, type Row, toRow } from "./codec.ts";
import { GroupCommit, type Until } from "./group_commit.ts";
import { type ReadAhead, readBook, readOn } from "./book_reader.ts";
import { type CheckpointParts, Checkpoints } from "./checkpoint.ts";
import {
  apply,
  type Book,
  type ChargeEntry,
  type Entry,
  type ReceiptFacts,
  type ReleaseEntry,
} from "./journal.ts";
import { JournalTable } from "./journal_table.ts";
import { LaneTable, markIn, parkedIn } from "./lane_table.ts";
import { assertLedgerVersion } from "./version.ts";

/** Of a sync, seconds. */
const SYNC_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

export { type JournalFilter, readJournal } from "./journal_reader.ts";

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
  /** Rows up to this one are needed by no start. */
  low(): number;
  /** Keeps all lanes that have changed since the last time: no start has to replay them. */
  checkpoint(): Promise<void>;
  /**
   * Indexes the journal and archives its oldest rows, while calls go on; never rejects. A
   * checkpoint has it done.
   * @param low the row up to which a start needs none
   */
  maintain(low: number): Promise<void>;
  /** What the archive takes, and whether the last of these rounds failed. */
  upkeep(): { archiveBytes: number; isFailing: boolean };
  /** Ends that for good, so that `close` has no slice to wait for. */
  stopUpkeep(): Promise<void>;
  /** @param isLeft another process goes on with it, and has read what there is */
  close(isLeft?: boolean): Promise<void>;
}

/** How the process before left a ledger that is opened. */
export interface LeftStore {
  /** Its runs go on: what it has reserved is theirs, and released by whoever hears of their end. */
  readonly isInUse: boolean;
  /** What was read of it while it was written. */
  readonly ahead: ReadAhead | null;
}

/** How the journal is kept once it is long, where that is not as usual. */
export type Upkeep = Partial<Pick<MaintenanceOptions, "policy" | "layout" | "rest" | "onTrouble">>;

const LEFT_ALONE: LeftStore = { isInUse: false, ahead: null };

/**
 * And how lanes are kept beside the journal. By default no block is so old that one can be parked.
 */
export type Keeping =
  & Upkeep
  & Partial<Pick<CheckpointParts, "finalBlock" | "pause" | "sliceLanes">>;

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
  keeping: Keeping = {},
): Promise<Store> {
  assertLedgerVersion(path);
  const table = await JournalTable.open(path);
  const book = bookOf(table, ahead);
  const ballast = new Ballast(`${path}-ballast`);
  const syncs = new Distribution(SYNC_SECONDS);
  const commit = openCommit(table, ballast, syncs);
  const { database } = table;
  const maintenance = new Maintenance({ database, path, sync: () => table.sync(), ...keeping });
  const tend = (low: number) => void maintenance.round(low);
  const checkpoints = openCheckpoints({ table, book, commit }, keeping, tend);
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
      const written = commit.write(entries.map((entry) => toRow(entry, at)), until);
      checkpoints.noteEntries(entries.length);
      return written;
    },
    mark: () => commit.mark(),
    isOnDisk: (mark) => commit.isOnDisk(mark),
    sync: () => commit.sync(),
    receipted(reservation) {
      const row = table.receipted(reservation) ?? maintenance.receipt(reservation);
      const charge = row && fromRow(row);
      return charge?.kind === "charge" && charge.facts ? charge as ReceiptedCharge : undefined;
    },
    low: () => markIn(table.database).low,
    checkpoint: () => checkpoints.run(),
    maintain: (low) => maintenance.round(low),
    upkeep: () => ({
      archiveBytes: maintenance.archiveBytes,
      isFailing: maintenance.isFailing,
    }),
    stopUpkeep: () => maintenance.stop(),
    async close(isLeft = false) {
      await maintenance.stop();
      // A first one would keep the release before from going on, should this one not come to serve.
      const isFirst = markIn(table.database).low === 0;
      await (isLeft || isFirst ? checkpoints.giveUp() : checkpoints.close());
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

function openCheckpoints(
  { table, book, commit }: { table: JournalTable; book: Book; commit: Commit },
  keeping: Keeping,
  onMoved: (low: number) => void,
): Checkpoints {
  const checkpoints = new Checkpoints({
    book,
    lanes: new LaneTable(table.database),
    inTransaction(work) {
      commit.writeNow();
      table.inTransaction(work);
    },
    moveMark: (mark) => table.moveMark(mark),
    onMoved,
    finalBlock: () => -1n,
    ...keeping,
  });
  checkpoints.noteEntries(uncounted(table));
  return checkpoints;
}

function bookOf(table: JournalTable, ahead: ReadAhead | null): Book {
  const { database } = table;
  if (ahead === null || readOn(database, ahead) === null) return readBook(database).book;
  ahead.book.parked = parkedIn(new LaneTable(database));
  return ahead.book;
}

/** Rows that no checkpoint counts; of a ledger that never had one none are in a hurry. */
function uncounted(table: JournalTable): number {
  const { low } = markIn(table.database);
  return low === 0 ? 0 : table.newest() - low;
}

type Commit = GroupCommit<Row, KhachapuriError>;

function openCommit(table: JournalTable, ballast: Ballast, syncs: Distribution): Commit {
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
