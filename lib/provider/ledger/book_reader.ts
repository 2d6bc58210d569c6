/** The book as a ledger has it: its lanes, and what of the journal these do not count yet. */
import { DatabaseSync } from "node:sqlite";
import type { Book, Parked } from "./book.ts";
import { fromRow, type Recorded, type StoredRow } from "./codec.ts";
import { apply, emptyBook, type Lane, laneOf, restore } from "./journal.ts";
import { hasLanes, LaneTable, markIn, parkedIn } from "./lane_table.ts";
import { assertLedgerVersion, isThere } from "./version.ts";

/** A ledger as it was at some time, so that only what came since is to be read. */
export interface ReadAhead {
  /** What is parked comes back as it was at that time. */
  readonly book: Book;
  /** The last row that it has. */
  readonly seq: number;
  close(): void;
}

/**
 * Reads the ledger at `path` while a provider is writing it. Until it is closed the database stays
 * open, so that whoever closes it last need not put its log away while others wait; and it stays as
 * it was, so that lanes that come back later go with the rest.
 * @returns null when there is none yet
 */
export function readAhead(path: string): ReadAhead | null {
  if (!isThere(path)) return null;
  assertLedgerVersion(path);
  const database = new DatabaseSync(path, { readOnly: true });
  database.exec("BEGIN");
  return { ...readBook(database), close: () => database.close() };
}

/** All that the ledger says. @returns the book, and the last row that it has */
export function readBook(database: DatabaseSync): { book: Book; seq: number } {
  if (!hasLanes(database)) {
    const book = emptyBook();
    return { book, seq: replay(database, book, 0) };
  }
  const lanes = new LaneTable(database);
  const counted = new Map<Lane, number>();
  const book = emptyBook(noting(lanes, counted));
  const mark = markIn(database);
  book.nextReservation = mark.nextReservation;
  for (const { lane, held, seq } of lanes.here()) {
    restore(book, lane, held);
    if (seq > mark.low) counted.set(lane, seq);
  }
  const seq = replay(database, book, mark.low, counted);
  book.parked = parkedIn(lanes);
  return { book, seq };
}

/** Has the book read what came since. @returns the last row; null: that is not all there */
export function readOn(database: DatabaseSync, { book, seq }: ReadAhead): number | null {
  const [first, low] = [firstRow(database), markIn(database).low];
  const isMissing = first === null ? low > seq : first > seq + 1;
  return isMissing ? null : replay(database, book, seq);
}

/**
 * Applies what comes behind the row `after`.
 * @param counted up to which row a lane has its entries already
 * @returns the last row
 */
function replay(
  database: DatabaseSync,
  book: Book,
  after: number,
  counted: ReadonlyMap<Lane, number> = new Map(),
): number {
  const rows = database.prepare("SELECT * FROM journal WHERE seq > ? ORDER BY seq");
  let seq = after;
  for (const row of rows.iterate(after) as Iterable<unknown>) {
    const recorded = fromRow(row as StoredRow);
    seq = recorded.seq;
    if (isCounted(book, recorded, counted)) countReservation(book, recorded);
    else apply(book, recorded, recorded.at.getTime());
  }
  return seq;
}

/** Whether the lane that an entry changes was kept after it. */
function isCounted(
  book: Book,
  { payer, lane, seq }: Recorded,
  counted: ReadonlyMap<Lane, number>,
): boolean {
  const found = laneOf(book, payer, lane);
  return found !== undefined && seq <= (counted.get(found) ?? 0);
}

/** Its number is taken, though what became of it is known. */
function countReservation(book: Book, entry: Recorded): void {
  if (entry.kind !== "reserve") return;
  book.nextReservation = Math.max(book.nextReservation, entry.reservation + 1);
}

/** Notes as of which row lanes come back. */
function noting(lanes: LaneTable, counted: Map<Lane, number>): Parked {
  return {
    ...parkedIn(lanes),
    lane(payer, id) {
      const found = lanes.parked(payer, id);
      if (found !== undefined) counted.set(found.lane, found.seq);
      return found?.lane;
    },
  };
}

function firstRow(database: DatabaseSync): number | null {
  const row = database.prepare("SELECT MIN(seq) AS seq FROM journal").get();
  return (row as { seq: number | null }).seq;
}
