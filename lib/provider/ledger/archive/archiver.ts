/**
 * Moves the oldest rows of the journal into segments, and lets the oldest segments go when they
 * take too much of the disk. Rows are deleted once a file has them that is on the disk and was read
 * back, and the database says so; a file is removed once the database does not name it any more. So
 * a crash at any step leaves each row in the table or in a named file, and what it has left half
 * done is done again, or away, with the next round.
 */
import type { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { isMissing } from "../../../files.ts";
import { IS_RECEIPTED, isReceipted } from "../codec.ts";
import { newestIn } from "../journal_table.ts";
import { prepared } from "../prepared.ts";
import { inTransaction } from "../../../transaction.ts";
import type { Party, PartyRow } from "./block_codec.ts";
import { maskOf, offsetsIn, type PartyRows } from "./postings.ts";
import {
  archiveDir,
  type Borders,
  bordersOf,
  firstOf,
  type SegmentId,
  type SegmentKind,
} from "./schema.ts";
import {
  type Place,
  SegmentFile,
  segmentName,
  SegmentWriter,
  type Written,
} from "./segment_file.ts";
import { type Rest, rowsOf } from "./span_index.ts";
import { sumOf, totalsFrom, totalsText } from "./totals.ts";

/** How much of a journal is kept. */
export interface ArchivePolicy {
  /** The newest rows stay in the table, at least so many. */
  readonly rows: number;
  /** The archive keeps its newest segments, up to so many bytes. */
  readonly archiveBytes: number;
  /** Of segments that went it keeps the charges with a receipt, up to so many bytes. */
  readonly receiptBytes: number;
}

/** A segment as the database knows it. */
export interface Segment {
  readonly first: number;
  readonly last: number;
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly headBytes: number;
  readonly places: readonly Place[];
}

export class Archiver {
  readonly #dir: string;
  /** What the database does not name is gone, but for what went since. */
  #isSwept = false;

  /** @param path of the ledger that the database is */
  constructor(private readonly database: DatabaseSync, path: string) {
    this.#dir = archiveDir(path);
  }

  /** What its segments take. */
  get bytes(): number {
    return bytesOf(this.database, "rows") + bytesOf(this.database, "receipts");
  }

  /**
   * Brings the archive to what the policy says.
   * @param low the row up to which a start needs none
   */
  async goOn(low: number, policy: ArchivePolicy, rest: Rest): Promise<void> {
    await this.#sweep();
    await this.#clear(rest);
    while (this.#isDue(low, policy)) {
      await this.#archive(bordersOf(this.database)!, rest);
      await this.#clear(rest);
    }
    await this.#letGo(policy, rest);
    await this.#forget(rest);
  }

  #isDue(low: number, policy: ArchivePolicy): boolean {
    const { archived, indexed, layout } = bordersOf(this.database)!;
    const last = archived + layout.segmentRows;
    const newest = newestIn(this.database);
    // The last row stays: its number is where the next one's comes from.
    return last <= low && last <= indexed && last <= newest - Math.max(policy.rows, 1);
  }

  async #archive({ archived, layout }: Borders, rest: Rest): Promise<void> {
    const { segmentRows, spanRows, blockRows } = layout;
    const [first, last] = [archived + 1, archived + segmentRows];
    await Deno.mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const { parties, places } = await this.#partiesIn(first, last, spanRows, rest);
    using writer = new SegmentWriter(this.#dir, { kind: "rows", first, last, parties });
    for (let span = first; span < last; span += spanRows) {
      const whose = this.#whoseRows(span, spanRows);
      for (let block = span; block < span + spanRows; block += blockRows) {
        const rows = rowsOf(this.database, block, blockRows);
        const party = (seq: number) => places.get(whose[seq - span]!)!;
        writer.add(rows.map((row) => ({ row, party: party(row.seq) })));
        await rest();
      }
    }
    const written = await writer.finish();
    await rest();
    this.#note("rows", first, last, written);
  }

  /** Whom the rows of some spans are of, in the order of their numbers, and where each is in it. */
  async #partiesIn(first: number, last: number, spanRows: number, rest: Rest) {
    const ids = new Set<number>();
    const inSpan = prepared(this.database, "SELECT party FROM span_parties WHERE span = ?");
    for (let span = first; span < last; span += spanRows) {
      for (const { party } of inSpan.all(span)) ids.add(party as number);
      await rest();
    }
    const sorted = [...ids].sort((one, other) => one - other);
    const partyOf = prepared(
      this.database,
      "SELECT payer, lane, deployment FROM parties WHERE id = ?",
    );
    const parties: Party[] = [];
    for (const [index, id] of sorted.entries()) {
      const { payer, lane, deployment } = partyOf.get(id) as Record<string, string>;
      parties.push([payer!, lane!, deployment!]);
      if (index % 2_048 === 2_047) await rest();
    }
    return { parties, places: new Map(sorted.map((id, place) => [id, place])) };
  }

  /** The number of the party of each row of a span. */
  #whoseRows(span: number, spanRows: number): Uint32Array {
    const whose = new Uint32Array(spanRows);
    const parties = prepared(this.database, "SELECT party, rows FROM span_parties WHERE span = ?");
    for (const row of parties.iterate(span)) {
      const { party, rows } = row as unknown as { party: number; rows: Uint8Array };
      for (const offset of offsetsIn(rows)) whose[offset] = party;
    }
    return whose;
  }

  #note(kind: SegmentKind, first: number, last: number, written: Written): void {
    const { bytes, sha256, headBytes, places } = written;
    const receipts = places.filter((place) => place[3] > 0);
    const least = receipts.reduce((least, place) => Math.min(least, place[2]), Infinity);
    const most = receipts.reduce((most, place) => Math.max(most, place[3]), 0);
    prepared(this.database, "INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .run(
        ...[first, last, kind, bytes, sha256, headBytes, JSON.stringify(places)],
        ...(receipts.length === 0 ? [null, null] : [least, most]),
      );
  }

  /** Deletes rows of the table that segments have. */
  async #clear(rest: Rest): Promise<void> {
    const { archived, layout: { blockRows, spanRows } } = bordersOf(this.database)!;
    const oldest = prepared(this.database, "SELECT min(seq) AS seq FROM journal");
    for (;;) {
      const first = Number(oldest.get()!.seq ?? Infinity);
      if (first > archived) return;
      const span = firstOf(first, spanRows);
      // Before any row of the span goes: then what is left to do shows in the rows that are left.
      if (first === span) await this.#coarsen(span, rest);
      const last = firstOf(first, blockRows) + blockRows - 1;
      inTransaction(this.database, () => this.#delete(first, last));
      await rest();
    }
  }

  #delete(first: number, last: number): void {
    const range = "seq BETWEEN ? AND ?";
    prepared(
      this.database,
      `
      DELETE FROM receipted WHERE reservation IN
        (SELECT reservation FROM journal WHERE ${range} AND ${IS_RECEIPTED})
    `,
    ).run(first, last);
    prepared(this.database, `DELETE FROM journal WHERE ${range}`).run(first, last);
  }

  /** Of a span in the archive only the blocks are known in which a party's rows are. */
  async #coarsen(span: number, rest: Rest): Promise<void> {
    const { layout: { blockRows } } = bordersOf(this.database)!;
    const exact = prepared(
      this.database,
      `
      SELECT party, rows FROM span_parties
      WHERE span = ? AND party > ? AND typeof(rows) = 'blob' ORDER BY party LIMIT 1024
    `,
    );
    const put = prepared(
      this.database,
      "UPDATE span_parties SET rows = ? WHERE span = ? AND party = ?",
    );
    for (let after = -1;;) {
      const some = exact.all(span, after) as unknown as { party: number; rows: PartyRows }[];
      if (some.length === 0) return;
      inTransaction(this.database, () => {
        for (const { party, rows } of some) put.run(maskOf(rows, blockRows), span, party);
      });
      after = some.at(-1)!.party;
      await rest();
    }
  }

  async #letGo(policy: ArchivePolicy, rest: Rest): Promise<void> {
    for (let segment; (segment = this.#beyond("rows", policy.archiveBytes)) !== null;) {
      const gone = segment;
      const receipts = await this.#receiptsOf(gone, rest);
      await rest();
      inTransaction(this.database, () => this.#carry(gone, receipts));
      this.#isSwept = false;
    }
    for (let segment; (segment = this.#beyond("receipts", policy.receiptBytes)) !== null;) {
      prepared(this.database, "DELETE FROM segments WHERE first = ?").run(segment.first);
      this.#isSwept = false;
      await rest();
    }
  }

  /** The oldest segment of a kind that together take more than so many bytes; null: they do not. */
  #beyond(kind: SegmentKind, bytes: number): Segment | null {
    if (bytesOf(this.database, kind) <= bytes) return null;
    return segmentAfter(this.database, this.#dir, 0, kind);
  }

  /** A file with those of its rows that have a receipt; null: none has. */
  async #receiptsOf(segment: Segment, rest: Rest): Promise<Written | null> {
    const places = segment.places.filter((place) => place[3] > 0);
    if (places.length === 0) return null;
    using file = new SegmentFile(segment.path, segment.headBytes);
    const receipted = (place: Place) => file.block(place).filter(({ row }) => isReceipted(row));
    const used = new Set<number>();
    for (const place of places) {
      for (const { party } of receipted(place)) used.add(party);
      await rest();
    }
    const parties = [...used].map((party) => file.parties[party]!);
    const numbers = new Map([...used].map((party, index) => [party, index]));
    const { first, last } = segment;
    using writer = new SegmentWriter(this.#dir, { kind: "receipts", first, last, parties });
    const { blockRows } = bordersOf(this.database)!.layout;
    const rows: PartyRow[] = [];
    for (const place of places) {
      rows.push(...receipted(place).map(({ row, party }) => ({ row, party: numbers.get(party)! })));
      if (rows.length >= blockRows) writer.add(rows.splice(0, blockRows));
      await rest();
    }
    if (rows.length > 0) writer.add(rows);
    return await writer.finish();
  }

  /** From now on its rows are only counted, and found by their receipts. */
  #carry({ first, last }: Segment, receipts: Written | null): void {
    const spans = prepared(this.database, "SELECT totals FROM spans WHERE first BETWEEN ? AND ?")
      .all(first, last);
    const carried = prepared(this.database, "SELECT totals FROM carried").all();
    const totals = [...carried, ...spans].map((row) => totalsFrom(String(row.totals)));
    prepared(this.database, "INSERT OR REPLACE INTO carried VALUES (1, ?, ?)")
      .run(last, totalsText(sumOf(totals)));
    prepared(this.database, "DELETE FROM spans WHERE first BETWEEN ? AND ?").run(first, last);
    prepared(this.database, "DELETE FROM segments WHERE first = ?").run(first);
    if (receipts) this.#note("receipts", first, last, receipts);
  }

  /** Deletes the index of rows that are gone. */
  async #forget(rest: Rest): Promise<void> {
    const { dropped } = bordersOf(this.database)!;
    const oldest = prepared(this.database, "SELECT min(span) AS span FROM span_parties");
    for (;;) {
      const span = Number(oldest.get()!.span ?? Infinity);
      if (span > dropped) return;
      prepared(this.database, "DELETE FROM span_parties WHERE span = ?").run(span);
      await rest();
    }
  }

  /**
   * Removes what the database does not name: what a crash has left, and what went in the round
   * before, so that who has just read its name still finds it.
   */
  async #sweep(): Promise<void> {
    if (this.#isSwept) return;
    this.#isSwept = true;
    if (await Deno.stat(this.#dir).then(() => false, isMissing)) return;
    const known = prepared(this.database, "SELECT kind, first, last FROM segments").all();
    const named = new Set(known.map((row) => segmentName(row as unknown as SegmentId)));
    for await (const { name, isFile } of Deno.readDir(this.#dir)) {
      if (isFile && !named.has(name)) await Deno.remove(join(this.#dir, name));
    }
  }
}

function bytesOf(database: DatabaseSync, kind: SegmentKind): number {
  const sum = prepared(database, "SELECT sum(bytes) AS bytes FROM segments WHERE kind = ?");
  return Number(sum.get(kind)!.bytes ?? 0);
}

/** The oldest segment of a kind that has rows behind the row `after`; null: there is none. */
export function segmentAfter(
  database: DatabaseSync,
  dir: string,
  after: number,
  kind: SegmentKind,
): Segment | null {
  const row = prepared(
    database,
    "SELECT * FROM segments WHERE kind = ? AND last > ? ORDER BY last LIMIT 1",
  )
    .get(kind, after);
  return row ? segmentFrom(row, dir) : null;
}

/** @param row of the table `segments` */
export function segmentFrom(row: Record<string, unknown>, dir: string): Segment {
  const { first, last, kind, bytes, sha256, head_bytes, places } = row as unknown as SegmentId & {
    bytes: number;
    sha256: string;
    head_bytes: number;
    places: string;
  };
  const path = join(dir, segmentName({ kind, first, last }));
  return { first, last, path, bytes, sha256, headBytes: head_bytes, places: JSON.parse(places) };
}
