/**
 * The ledger of a provider of one process as lines. Of its journal the charges are taken: what else
 * stands there led to lanes as they are, and stays where it is.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { CidText } from "../../../cid.ts";
import { namedDatabase } from "../../../files.ts";
import { breathe } from "../../../slices.ts";
import { segmentAfter } from "../archive/archiver.ts";
import { archiveDir, bordersOf } from "../archive/schema.ts";
import { SegmentFile } from "../archive/segment_file.ts";
import { sumOf, totalsFrom } from "../archive/totals.ts";
import type { Reservation } from "../book.ts";
import { counterIn, fromRow, type StoredRow } from "../codec.ts";
import type { ChargeEntry, LaneId } from "../entries.ts";
import { streamRows } from "../journal_reader.ts";
import type { Lane, Segment } from "../lane.ts";
import { laneFrom } from "../lane_state.ts";
import { markIn } from "../lane_table.ts";
import type { PurchaseRow } from "../purchase_rows.ts";
import { openStore } from "../store.ts";
import { isThere } from "../version.ts";
import type { LedgerSource } from "./ends.ts";
import {
  type AnswerLine,
  type ChargeLine,
  factsText,
  type GoneLine,
  laneLine,
  type Line,
  nameOf,
  type NextNumbers,
  type PurchaseLine,
  purchaseLine,
} from "./format.ts";

/** Rows after which others have their turn. */
const ROWS_AT_ONCE = 1_024;

/**
 * Has the ledger at `path` as a start would: what a crash left held is released, and all lanes are
 * kept beside the journal. Nobody else may have it open.
 * @throws KhachapuriError as `openStore`
 */
export async function recoverLedger(path: string): Promise<void> {
  const store = await openStore(path);
  await store.checkpoint().finally(() => store.close());
}

/** Where the parts of one are. */
export interface SqlitePlaces {
  readonly ledger: string;
  readonly purchases: string;
  readonly answers: string;
}

/** @param book the folder of a provider's books */
export function placesIn(book: string): SqlitePlaces {
  return {
    ledger: join(book, "ledger.db"),
    purchases: join(book, "purchases.db"),
    answers: join(book, "answers.db"),
  };
}

/** Whether nothing is known there, not even a lane. */
export function isEmpty({ ledger, purchases, answers }: SqlitePlaces): boolean {
  const one = (path: string, table: string) =>
    !rowsIn(path, table, `SELECT 1 FROM ${table} LIMIT 1`).next().done;
  if (one(purchases, "purchases") || one(answers, "answers")) return false;
  return !isThere(ledger) || !one(ledger, "lanes") && streamRows(ledger).next().done === true;
}

export class SqliteSource implements LedgerSource {
  readonly store = "sqlite";
  readonly #ledger: DatabaseSync;

  /** Of a ledger that was recovered. */
  constructor(private readonly places: SqlitePlaces) {
    this.#ledger = readOnly(places.ledger);
  }

  next(): Promise<NextNumbers> {
    const reservation = markIn(this.#ledger).nextReservation;
    const last = "SELECT seq FROM sqlite_sequence WHERE name = 'purchases'";
    const [purchases] = rowsIn<{ seq: number }>(this.places.purchases, "purchases", last);
    return Promise.resolve({ reservation, purchase: (purchases?.seq ?? 0) + 1 });
  }

  async *lines(): AsyncGenerator<Line> {
    let rows = 0;
    for (const line of this.#all()) {
      yield line;
      if (++rows % ROWS_AT_ONCE === 0) await breathe();
    }
  }

  close(): Promise<void> {
    this.#ledger.close();
    return Promise.resolve();
  }

  *#all(): Generator<Line> {
    const charges = new Charges();
    for (const { kind, payer, lane } of this.#rows()) {
      if (kind === "charge") charges.expect(nameOf({ payer, lane }));
    }
    for (const lane of this.#lanes()) {
      charges.noteLane(lane);
      yield laneLine(lane);
    }
    for (const row of this.#rows()) {
      const line = charges.take(row);
      if (line !== null) yield line;
    }
    const { purchases, answers } = this.places;
    for (const row of rowsIn<PurchaseRowHere>(purchases, "purchases", PURCHASES)) {
      const { request, key } = row;
      yield purchaseLine({ ...row, request: request.toHex(), key: key?.toHex() ?? null });
    }
    for (const row of rowsIn<AnswerRowHere>(answers, "answers", ANSWERS)) yield answerLine(row);
    const gone = this.#gone();
    if (gone[1] > 0) yield gone;
  }

  *#lanes(): Generator<Lane> {
    const rows = this.#ledger
      .prepare("SELECT payer, lane, state FROM lanes ORDER BY payer, lane").iterate();
    for (const row of rows as Iterable<unknown>) {
      const { payer, lane, state } = row as LaneId & { state: string };
      yield laneFrom({ payer, lane }, state).lane;
    }
  }

  *#rows(): Generator<StoredRow> {
    yield* this.#leftReceipts();
    yield* streamRows(this.places.ledger);
  }

  /** Of rows that were let go of. */
  *#leftReceipts(): Generator<StoredRow> {
    if (bordersOf(this.#ledger) === null) return;
    const dir = archiveDir(this.places.ledger);
    for (let after = 0;;) {
      const segment = segmentAfter(this.#ledger, dir, after, "receipts");
      if (segment === null) return;
      using file = new SegmentFile(segment.path, segment.headBytes);
      for (const place of segment.places) yield* file.block(place).map(({ row }) => row);
      after = segment.last;
    }
  }

  #gone(): GoneLine {
    const carried = bordersOf(this.#ledger) === null
      ? []
      : this.#ledger.prepare("SELECT totals FROM carried").all();
    const totals = sumOf(carried.map((row) => totalsFrom(String(row.totals))));
    let [charges, amount] = [totals.rows.charge ?? 0, totals.charged];
    for (const row of this.#leftReceipts()) {
      const { facts } = fromRow(row) as ChargeEntry;
      charges -= 1;
      amount -= facts?.price ?? 0n;
    }
    return ["gone", charges, String(amount)];
  }
}

/** What is kept of a lane while its charges are told. */
interface Counting {
  /** Charges that come still. */
  left: number;
  index: number;
  charged: bigint;
  segments: readonly Segment[];
}

/** Charges as they are told: each with its lane's counter, its price and its deployment. */
class Charges {
  readonly #lanes = new Map<string, Counting>();
  /** Of runs that have not ended at the row at hand. */
  readonly #reserved = new Map<number, Pick<Reservation, "cid" | "price">>();
  #count = 0;

  /** One more will come of a lane. */
  expect(name: string): void {
    const counting = this.#lanes.get(name) ?? { left: 0, index: -1, charged: 0n, segments: [] };
    counting.left += 1;
    this.#lanes.set(name, counting);
  }

  /** In the order of their lines. */
  noteLane(lane: Lane): void {
    const { charged, segments } = lane;
    const counting = this.#lanes.get(nameOf(lane));
    if (counting) Object.assign(counting, { index: this.#count, charged, segments });
    this.#count += 1;
  }

  take(row: StoredRow): ChargeLine | null {
    const entry = fromRow(row);
    if (entry.kind === "reserve") {
      this.#reserved.set(entry.reservation, { cid: entry.cid, price: entry.price });
    }
    if (entry.kind === "release") this.#reserved.delete(entry.reservation);
    if (entry.kind !== "charge") return null;
    const { reservation, outcome, facts } = entry;
    const counting = this.#lanes.get(nameOf(entry))!;
    counting.left -= 1;
    // Every charge since this store has the lane took its counter up by one.
    const charged = counterIn(row.detail!) ?? counting.charged - BigInt(counting.left);
    const { cid, price } = facts ?? this.#reserved.get(reservation) ??
      { cid: NO_CID, price: priceAt(counting.segments, charged) };
    this.#reserved.delete(reservation);
    const run = facts ? factsText(facts) : null;
    const amounts = [String(charged), String(price)] as const;
    return ["charge", reservation, row.at, counting.index, ...amounts, cid, outcome, run];
  }
}

/** Of runs whose reservation is in rows that were let go of. */
const NO_CID = "" as CidText;

function priceAt(segments: readonly Segment[], counter: bigint): bigint {
  return segments.find(({ upTo }) => upTo >= counter)?.price ?? 0n;
}

type PurchaseRowHere = PurchaseRow & Pick<PurchaseLine[1], "chain" | "asset">;
const PURCHASES = "SELECT * FROM purchases ORDER BY id";

type AnswerRowHere = Omit<AnswerLine[1], "id" | "fingerprint" | "body"> & {
  readonly id: Uint8Array;
  readonly fingerprint: Uint8Array;
  readonly body: Uint8Array | null;
};
const ANSWERS = "SELECT * FROM answers ORDER BY id";

function answerLine(
  { id, payer, fingerprint, at, reservation, bytes, status, headers, body, why }: AnswerRowHere,
): AnswerLine {
  return ["answer", {
    id: id.toHex(),
    payer,
    fingerprint: fingerprint.toHex(),
    ...{ at, reservation, bytes, status, headers },
    body: body?.toBase64() ?? null,
    why,
  }];
}

/** None where there is no such file, or no such table. */
function* rowsIn<Row>(path: string, table: string, sql: string): Generator<Row> {
  if (!isThere(path)) return;
  const database = readOnly(path);
  try {
    const found = database.prepare("SELECT 1 FROM sqlite_master WHERE name = ?").get(table);
    if (found) yield* database.prepare(sql).iterate() as Iterable<unknown> as Iterable<Row>;
  } finally {
    database.close();
  }
}

function readOnly(path: string): DatabaseSync {
  return namedDatabase(path, () => new DatabaseSync(path, { readOnly: true }));
}
