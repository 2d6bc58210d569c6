/**
 * Whether a journal is whole: each file of the archive as it was written, each row there once, in
 * its place and in agreement with those before it and with the lanes that are kept beside it, and
 * what was counted of those that are gone in agreement with the rest.
 */
import { DatabaseSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import { KhachapuriError } from "../../../errors.ts";
import { namedDatabase } from "../../../files.ts";
import { breathe } from "../../../slices.ts";
import { fromRow } from "../codec.ts";
import { apply, emptyBook, laneOf } from "../journal.ts";
import { streamRows } from "../journal_reader.ts";
import { stateText } from "../lane_state.ts";
import { hasLanes } from "../lane_table.ts";
import { prepared } from "../prepared.ts";
import { segmentAfter } from "./archiver.ts";
import { archiveDir, type Borders, bordersOf, type SegmentKind } from "./schema.ts";
import { hashOf } from "./segment_file.ts";
import { count, noTotals, sumOf, type Totals, totalsFrom, totalsText } from "./totals.ts";

export interface JournalProof {
  /** That are there. */
  readonly rows: number;
  /** Of them, in the archive. */
  readonly archived: number;
  /** That were before those. */
  readonly gone: number;
  /** Files of the archive, those with receipts alone among them. */
  readonly segments: number;
  /** Of runs that have not ended, USDC base units. */
  readonly held: bigint;
}

/**
 * Reads all of the journal at `path`, whether its provider runs or not.
 * @throws KhachapuriError `file_unusable` that tells the first difference
 */
export async function proveJournal(path: string): Promise<JournalProof> {
  const database = namedDatabase(path, () => new DatabaseSync(path, { readOnly: true }));
  try {
    const borders = bordersOf(database);
    const segments = borders === null ? 0 : await proveFiles(database, path);
    const carried = borders === null ? [] : carriedTotals(database);
    const gone = borders?.dropped ?? 0;
    const lanes = gone === 0 ? keptLanes(database) : new Map();
    const sums = new RunningSums(database, borders, carried, lanes);
    for (const row of streamRows(path)) {
      sums.take(row);
      if (row.seq % 1_024 === 0) await breathe();
    }
    const archived = Math.max(0, (borders?.archived ?? 0) - gone);
    return { rows: sums.rows, archived, gone, segments, held: sums.held() };
  } finally {
    database.close();
  }
}

/** A lane as it is kept beside the journal. */
interface KeptText {
  readonly payer: Address;
  readonly lane: Hex;
  readonly state: string;
}

/** By the row of the journal as of which they are true. */
function keptLanes(database: DatabaseSync): ReadonlyMap<number, readonly KeptText[]> {
  if (!hasLanes(database)) return new Map();
  const rows = prepared(database, "SELECT payer, lane, seq, state FROM lanes").all();
  return Map.groupBy(rows as unknown as (KeptText & { seq: number })[], ({ seq }) => seq);
}

/** What of a lane's state is money; its permits may stand in another order after a start. */
function moneyIn(state: string): string {
  const { charged, settled, settledBlock, opened, refused, segments, held } = JSON.parse(state);
  const counts = [charged, settled, settledBlock, opened, refused, segments];
  return JSON.stringify([...counts, (held as [number][]).sort(([one], [other]) => one - other)]);
}

function carriedTotals(database: DatabaseSync): Totals[] {
  return prepared(database, "SELECT totals FROM carried").all()
    .map(({ totals }) => totalsFrom(String(totals)));
}

/** @returns how many there are */
async function proveFiles(database: DatabaseSync, path: string): Promise<number> {
  let files = 0;
  for (const kind of ["rows", "receipts"] satisfies SegmentKind[]) {
    for (let after = 0;;) {
      const segment = segmentAfter(database, archiveDir(path), after, kind);
      if (segment === null) break;
      const found = await hashOf(segment.path).catch((error) => {
        throw different(`${segment.path} can't be read: ${error.message}`);
      });
      // It may have gone while it was read, by the policy.
      const isStill =
        segmentAfter(database, archiveDir(path), after, kind)?.first === segment.first;
      if (found !== segment.sha256 && isStill) {
        throw different(`${segment.path} is not what was written: its sha256 is ${found}`);
      }
      after = segment.last;
      files++;
    }
  }
  return files;
}

/** Counts rows as they come, and compares with what was counted when they were written. */
class RunningSums {
  rows = 0;
  readonly #book = emptyBook();
  readonly #isWhole: boolean;
  readonly #prices = new Map<number, string>();
  /** Of all up to the span at hand. */
  #before: Totals;
  #span = noTotals();
  #seq: number;

  constructor(
    private readonly database: DatabaseSync,
    private readonly borders: Borders | null,
    carried: readonly Totals[],
    private readonly lanes: ReadonlyMap<number, readonly KeptText[]>,
  ) {
    this.#before = sumOf(carried);
    this.#seq = borders?.dropped ?? 0;
    this.#isWhole = this.#seq === 0;
  }

  take(row: Parameters<typeof count>[1]): void {
    const { seq, kind, reservation, amount } = row;
    if (seq !== this.#seq + 1) throw this.#missing(seq);
    this.#seq = seq;
    this.rows++;
    if (kind === "reserve") this.#prices.set(reservation, amount);
    count(this.#span, row, this.#prices.get(reservation) ?? null);
    if (kind === "charge" || kind === "release") this.#prices.delete(reservation);
    const entry = fromRow(row);
    try {
      // Without its beginning it does not say what lanes are like.
      if (this.#isWhole) apply(this.#book, entry, entry.at.getTime());
    } catch (error) {
      throw different(`row ${seq}: ${(error as Error).message}`);
    }
    for (const kept of this.lanes.get(seq) ?? []) this.#compare(kept, seq);
    this.#endSpan(seq);
  }

  #compare({ payer, lane, state }: KeptText, seq: number): void {
    const found = laneOf(this.#book, payer, lane);
    if (found && moneyIn(stateText(found, this.#book.reservations)) === moneyIn(state)) return;
    throw different(`lane ${lane} of ${payer} is not kept as the rows up to ${seq} have it`);
  }

  /** Of all rows together: what was reserved and neither charged nor released. */
  held(): bigint {
    const { reserved, charged, released } = sumOf([this.#before, this.#span]);
    const held = reserved - charged - released;
    if (this.#isWhole && held !== this.#book.heldAmount) {
      throw different(`${held} are held by the sums, and ${this.#book.heldAmount} by the book`);
    }
    return held;
  }

  #endSpan(seq: number): void {
    if (this.borders === null || seq % this.borders.layout.spanRows !== 0) return;
    const row = prepared(this.database, "SELECT totals FROM spans WHERE last = ?").get(seq);
    const span = this.#span;
    this.#span = noTotals();
    // Not indexed yet, or gone since: there is nothing to compare it with.
    const noted = row ? totalsFrom(String(row.totals)) : span;
    this.#before = sumOf([this.#before, noted]);
    // Runs that began in rows that are gone have a price that is not known here.
    const isSame = this.#isWhole
      ? totalsText(span) === totalsText(noted)
      : totalsText({ ...noted, rows: span.rows }) === totalsText(noted);
    if (isSame) return;
    const [found, before] = [span, noted].map(totalsText);
    throw different(`the rows up to ${seq} come to ${found}, and ${before} was counted of them`);
  }

  #missing(next: number): KhachapuriError {
    if ((bordersOf(this.database)?.dropped ?? 0) > (this.borders?.dropped ?? 0)) {
      const message = "the archive let its oldest rows go while it was read";
      return new KhachapuriError("overloaded", message, { hints: ["try again"] });
    }
    return different(`row ${this.#seq + 1} is missing: the next is row ${next}`);
  }
}

function different(what: string): KhachapuriError {
  return new KhachapuriError("file_unusable", `the journal is not whole: ${what}`, {
    hints: ["a backup of before has it: docs/provider.md, “The journal and its archive”"],
  });
}
