/**
 * Where the rows of a journal are. The newest are in its table; of those, whole spans are indexed
 * by whom they are of; the oldest are in files, the segments of the archive; and what was before
 * those is only counted. Each border moves in one transaction, so whoever reads a snapshot finds
 * each row in exactly one place.
 */
import type { DatabaseSync } from "node:sqlite";
import { dirname, join } from "node:path";
import { prepared } from "../prepared.ts";

/** Rows, each a multiple of the one before. */
export interface Layout {
  /** What is compressed, and read back, together. */
  readonly blockRows: number;
  /** What is indexed together: at most 32 blocks, one for each bit of a mask. */
  readonly spanRows: number;
  /** What is in a file together. */
  readonly segmentRows: number;
}

/**
 * A block takes 3 ms to make, so no call waits for longer. A file names each payer, lane and
 * deployment once: with a thousand of them that is 0.4 bytes a row in files of this size, and 1.5
 * in a quarter of it.
 */
export const LAYOUT: Layout = { blockRows: 1_024, spanRows: 32_768, segmentRows: 262_144 };

/** Rows of the journal that a segment has: all, or, when its time is over, those with a receipt. */
export type SegmentKind = "rows" | "receipts";

/** What a segment is named by: its kind, and the rows of the journal that it was made of. */
export interface SegmentId {
  readonly kind: SegmentKind;
  readonly first: number;
  readonly last: number;
}

/**
 * `parties`: whom rows are of; deployment "" where there is none. `span_parties.rows`: which rows
 * of the span are a party's, as postings; once they are archived, in which blocks they are, as a
 * mask (`postings.ts`). `indexing.open`: runs that have not ended at the end of the last span.
 * `carried`: what was counted of rows that are gone.
 */
const ARCHIVE_SCHEMA = `
  CREATE TABLE IF NOT EXISTS parties (
    id INTEGER PRIMARY KEY,
    payer TEXT NOT NULL,
    lane TEXT NOT NULL,
    deployment TEXT NOT NULL,
    UNIQUE (payer, lane, deployment)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS spans (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    min_at INTEGER NOT NULL,
    max_at INTEGER NOT NULL,
    totals TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS span_parties (
    span INTEGER NOT NULL,
    party INTEGER NOT NULL,
    rows ANY NOT NULL,
    PRIMARY KEY (span, party)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS indexing (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    up_to INTEGER NOT NULL,
    open TEXT NOT NULL,
    block_rows INTEGER NOT NULL,
    span_rows INTEGER NOT NULL,
    segment_rows INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS segments (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    kind TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    head_bytes INTEGER NOT NULL,
    places TEXT NOT NULL,
    first_receipt INTEGER,
    last_receipt INTEGER
  ) STRICT;
  CREATE INDEX IF NOT EXISTS segments_by_kind ON segments (kind, last, bytes);
  CREATE INDEX IF NOT EXISTS segments_by_receipt ON segments (last_receipt, first_receipt);
  CREATE TABLE IF NOT EXISTS carried (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last INTEGER NOT NULL,
    totals TEXT NOT NULL
  ) STRICT
`;

/** Up to which rows the journal is where; 0: none are there. */
export interface Borders {
  readonly layout: Layout;
  /** These are gone, but for what was counted of them. */
  readonly dropped: number;
  /** These are in segments. */
  readonly archived: number;
  /** These are indexed. */
  readonly indexed: number;
}

/** Makes the tables, and says for good how the rows are laid out. */
export function createArchive(database: DatabaseSync, layout: Layout): void {
  database.exec(ARCHIVE_SCHEMA);
  const { blockRows, spanRows, segmentRows } = layout;
  prepared(database, "INSERT OR IGNORE INTO indexing VALUES (1, 0, '[]', ?, ?, ?)")
    .run(blockRows, spanRows, segmentRows);
}

/** Null of a journal that no process of this release has ever tended. */
export function bordersOf(database: DatabaseSync): Borders | null {
  const made = prepared(database, "SELECT 1 FROM sqlite_master WHERE name = 'indexing'").get();
  const row = made && prepared(
    database,
    `
    SELECT up_to, block_rows, span_rows, segment_rows,
      coalesce((SELECT last FROM carried), 0) AS dropped,
      coalesce((SELECT max(last) FROM segments WHERE kind = 'rows'), 0) AS archived
    FROM indexing
  `,
  ).get() as Record<string, number> | undefined;
  if (!row) return null;
  const { up_to, block_rows, span_rows, segment_rows, dropped, archived } = row;
  return {
    layout: { blockRows: block_rows!, spanRows: span_rows!, segmentRows: segment_rows! },
    dropped: dropped!,
    archived: Math.max(archived!, dropped!),
    indexed: up_to!,
  };
}

/** The first row of the span or block, of `rows` rows each, that has the row `seq`. */
export function firstOf(seq: number, rows: number): number {
  return seq - (seq - 1) % rows;
}

/** Where the segments of the ledger at `path` are. */
export function archiveDir(path: string): string {
  return join(dirname(path), "archive");
}
