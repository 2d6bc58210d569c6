/**
 * The journal as it is read: from its archive, its table and what is only handed over, in order and
 * each row once, while a provider goes on to write, to archive and to delete beneath. It is read in
 * pieces, each from one state of the database, so neither the journal's length nor its reader's
 * pace takes memory here or keeps the provider from cleaning up.
 */
import { DatabaseSync } from "node:sqlite";
import { namedDatabase } from "../../files.ts";
import { type Segment, segmentAfter } from "./archive/archiver.ts";
import { isPartys, type PartyFilter, PartySet } from "./archive/party_set.ts";
import { nextBlock } from "./archive/postings.ts";
import { archiveDir, type Borders, bordersOf, firstOf } from "./archive/schema.ts";
import { SegmentFile } from "./archive/segment_file.ts";
import { openRuns } from "./archive/span_index.ts";
import { fromRow, type Recorded, type StoredRow, storedRow } from "./codec.ts";
import { handedOver, handedOverText } from "./handed_over.ts";
import { newestIn } from "./journal_table.ts";
import { prepared } from "./prepared.ts";
import { inSnapshot } from "../../transaction.ts";
import { assertLedgerVersion } from "./version.ts";

/** Which entries to read; without any member all of them. */
export interface JournalFilter extends PartyFilter {
  since?: Date;
}

/** What a reading took, for who wants to know. */
export interface ReadCounts {
  /** Rows of the table that were looked at. */
  rows: number;
  /** Blocks of the archive that were opened. */
  blocks: number;
  /** Indexed spans of the table whose rows were looked for. */
  spans: number;
}

const noCounts = (): ReadCounts => ({ rows: 0, blocks: 0, spans: 0 });

/** Rows of a piece at most, 2 ms: few enough to be garbage while they are young. */
const PIECE_ROWS = 256;

/** Entries up to now, oldest first, of the ledger at `path`; nothing is changed. */
export function* streamJournal(
  path: string,
  filter: JournalFilter = {},
  counts = noCounts(),
): Generator<Recorded> {
  for (const row of streamRows(path, filter, counts)) yield fromRow(row);
}

/** The same, all at once. */
export function readJournal(path: string, filter: JournalFilter): Recorded[] {
  return [...streamJournal(path, filter)];
}

/** The same as rows of the table. @throws KhachapuriError as `assertLedgerVersion` */
export function* streamRows(
  path: string,
  filter: JournalFilter = {},
  counts = noCounts(),
): Generator<StoredRow> {
  assertLedgerVersion(path);
  const reading = new Reading(path, filter, counts);
  try {
    for (let piece; (piece = reading.next()) !== null;) yield* piece;
  } finally {
    reading.close();
  }
}

class Reading {
  readonly #database: DatabaseSync;
  readonly #parties: PartySet | null;
  readonly #since: number;
  readonly #end: number;
  #segment: { segment: Segment; file: SegmentFile } | null = null;
  /** Which rows of a span are wanted. */
  #atHand: { span: number; seqs: readonly number[] } = { span: 0, seqs: [] };
  /** All up to this row was read. */
  #after = 0;
  /** Behind the index: runs of the deployment that have not ended at the row `#runsUpTo`. */
  #runs = new Set<number>();
  #runsUpTo = -1;

  constructor(
    private readonly path: string,
    private readonly filter: JournalFilter,
    private readonly counts: ReadCounts,
  ) {
    // Before the table: what goes there meanwhile is not missed.
    const text = handedOverText(path);
    this.#database = namedDatabase(path, () => new DatabaseSync(path, { readOnly: true }));
    this.#end = inSnapshot(this.#database, () => {
      const newest = newestIn(this.#database);
      return newest + (handedOver(text, newest)?.rows.length ?? 0);
    });
    this.#since = filter.since?.getTime() ?? -Infinity;
    const isAnyones = !filter.payer && !filter.lane && !filter.cid;
    this.#parties = isAnyones ? null : new PartySet(this.#database, filter);
  }

  /** The next rows, perhaps none; null at the end. */
  next(): StoredRow[] | null {
    if (this.#after >= this.#end) return null;
    // As above; where it is not needed it is a page.
    const text = handedOverText(this.path);
    const rows = inSnapshot(this.#database, () => this.#piece(text));
    return rows.filter(({ seq, at }) => seq <= this.#end && at >= this.#since);
  }

  close(): void {
    this.#segment?.file[Symbol.dispose]();
    this.#database.close();
  }

  #piece(text: string): StoredRow[] {
    const borders = bordersOf(this.#database);
    if (borders === null) return this.#tail(text);
    this.#after = Math.max(this.#after, borders.dropped);
    if (this.#after >= borders.indexed) return this.#tail(text);
    const first = firstOf(this.#after + 1, borders.layout.spanRows);
    if (!this.#isWanted(first)) return this.#goTo(first + borders.layout.spanRows - 1);
    return this.#after < borders.archived
      ? this.#fromArchive(borders, first)
      : this.#fromSpan(borders, first);
  }

  #isWanted(span: number): boolean {
    if (this.#since === -Infinity) return true;
    const row = prepared(this.#database, "SELECT max_at FROM spans WHERE first = ?").get(span);
    return (row as { max_at: number }).max_at >= this.#since;
  }

  #goTo(after: number, rows: StoredRow[] = []): StoredRow[] {
    this.#after = after;
    return rows;
  }

  #fromArchive({ layout: { blockRows, spanRows } }: Borders, span: number): StoredRow[] {
    const block = Math.floor((this.#after - span + 1) / blockRows);
    const mask = this.#parties?.maskIn(span, blockRows) ?? 0xffff_ffff;
    const next = nextBlock(mask, block);
    const first = span + (next ?? 0) * blockRows;
    if (next === null || first >= span + spanRows) return this.#goTo(span + spanRows - 1);
    const found = this.#block(first, blockRows);
    const rows = found.filter(({ seq }) => seq > this.#after);
    return this.#goTo(first + blockRows - 1, rows);
  }

  /** What the filter wants of a block of the archive. */
  #block(first: number, blockRows: number): StoredRow[] {
    if (this.#segment === null || this.#segment.segment.last < first) {
      this.#segment?.file[Symbol.dispose]();
      this.#segment = null;
      const segment = segmentAfter(this.#database, archiveDir(this.path), first - 1, "rows")!;
      this.#segment = { segment, file: new SegmentFile(segment.path, segment.headBytes) };
    }
    const { segment, file } = this.#segment;
    this.counts.blocks++;
    const rows = file.block(segment.places[(first - segment.first) / blockRows]!);
    const theirs = rows.filter(({ party }) => isPartys(this.filter, file.parties[party]!));
    return theirs.map(({ row }) => row);
  }

  #fromSpan({ layout: { spanRows } }: Borders, span: number): StoredRow[] {
    const last = span + spanRows - 1;
    if (this.#parties === null) return this.#rows(last);
    const seqs = this.#seqsIn(span, this.#parties).filter((seq) => seq > this.#after);
    const some = seqs.slice(0, PIECE_ROWS);
    const found = prepared(
      this.#database,
      "SELECT journal.* FROM json_each(?) JOIN journal ON journal.seq = value ORDER BY seq",
    ).all(JSON.stringify(some)) as unknown as StoredRow[];
    this.counts.rows += found.length;
    return this.#goTo(some.length < seqs.length ? some.at(-1)! : last, found);
  }

  /** A span that is indexed does not change, and is read in many pieces. */
  #seqsIn(span: number, parties: PartySet): readonly number[] {
    if (this.#atHand.span !== span) {
      this.counts.spans++;
      this.#atHand = { span, seqs: parties.seqsIn(span) };
    }
    return this.#atHand.seqs;
  }

  /** Of the table, all that there is. */
  #rows(last: number): StoredRow[] {
    const rows = prepared(
      this.#database,
      "SELECT * FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
    )
      .all(this.#after, last, PIECE_ROWS) as unknown as StoredRow[];
    this.counts.rows += rows.length;
    return this.#goTo(rows.length < PIECE_ROWS ? last : rows.at(-1)!.seq, rows);
  }

  /** What is not indexed yet, and what is not even in the table. */
  #tail(text: string): StoredRow[] {
    this.#beginRuns();
    const newest = newestIn(this.#database);
    const rows = this.#after < newest ? this.#rows(newest) : [];
    if (this.#after >= newest) {
      const batch = handedOver(text, newest);
      const more = batch?.rows.map((row, index) => storedRow(batch.seq + index, row)) ?? [];
      rows.push(...more.filter(({ seq }) => seq > this.#after));
      // What had been handed over at the beginning is here, or was lost with its machine's power.
      this.#after = this.#end;
    }
    const theirs = rows.filter((row) => this.#isTheirs(row));
    this.#runsUpTo = this.#after;
    return theirs;
  }

  #beginRuns(): void {
    if (this.filter.cid === undefined || this.#runsUpTo === this.#after) return;
    this.#runs = new Set();
    if (bordersOf(this.#database) === null) return;
    for (const [reservation, [party]] of openRuns(this.#database)) {
      if (this.#parties!.has(party)) this.#runs.add(reservation);
    }
  }

  #isTheirs({ kind, payer, lane, reservation, deployment }: StoredRow): boolean {
    const isOfRun = kind === "reserve"
      ? deployment === this.filter.cid
      : this.#runs.has(reservation);
    if (kind === "reserve" && isOfRun) this.#runs.add(reservation);
    if (kind === "charge" || kind === "release") this.#runs.delete(reservation);
    const cid = isOfRun ? this.filter.cid! : "";
    return isPartys(this.filter, [payer, lane, cid]);
  }
}
