/**
 * Which rows are whose: an index of the journal that is made behind the calls' back, span after
 * span, so that no call writes a page for it. A span is indexed when it is whole; a crash in the
 * midst of one has it done again.
 */
import type { DatabaseSync } from "node:sqlite";
import type { StoredRow } from "../codec.ts";
import { newestIn } from "../journal_table.ts";
import { prepared } from "../prepared.ts";
import { inTransaction } from "../../../transaction.ts";
import { postingsOf } from "./postings.ts";
import { bordersOf, type Layout } from "./schema.ts";
import { count, noTotals, type Totals, totalsText } from "./totals.ts";

/** Whoever works in slices rests after each. Rejects when there is to be no further one. */
export type Rest = () => Promise<void>;

/** Runs that have not ended: whom each is of, and its price. */
export type OpenRuns = Map<number, readonly [party: number, price: string]>;

/** Parties that are written together, 3 µs each. */
const PARTIES_AT_ONCE = 2_048;
/** Parties that are remembered, some 300 bytes each. */
const PARTIES_KEPT = 50_000;

/** What is gathered of a span. */
interface Span {
  readonly first: number;
  readonly offsets: Map<number, number[]>;
  readonly totals: Totals;
  minAt: number;
  maxAt: number;
}

export class SpanIndex {
  readonly #parties: Parties;

  constructor(private readonly database: DatabaseSync, private readonly layout: Layout) {
    this.#parties = new Parties(database);
  }

  /** Indexes each span that the table has. @throws Error when it lacks rows */
  async goOn(rest: Rest): Promise<void> {
    const { spanRows } = this.layout;
    for (;;) {
      const { indexed } = bordersOf(this.database)!;
      if (newestIn(this.database) < indexed + spanRows) return;
      await this.#index(indexed + 1, rest);
    }
  }

  async #index(first: number, rest: Rest): Promise<void> {
    const { spanRows, blockRows } = this.layout;
    const open = openRuns(this.database);
    const bounds = { minAt: Infinity, maxAt: -Infinity };
    const span: Span = { first, offsets: new Map(), totals: noTotals(), ...bounds };
    for (let from = first; from < first + spanRows; from += blockRows) {
      inTransaction(this.database, () => {
        for (const row of rowsOf(this.database, from, blockRows)) this.#take(span, open, row);
      });
      await rest();
    }
    const parties = [...span.offsets];
    const insert = prepared(this.database, "INSERT OR REPLACE INTO span_parties VALUES (?, ?, ?)");
    for (let from = 0; from < parties.length; from += PARTIES_AT_ONCE) {
      inTransaction(this.database, () => {
        for (const [party, offsets] of parties.slice(from, from + PARTIES_AT_ONCE)) {
          insert.run(first, party, postingsOf(offsets));
        }
      });
      await rest();
    }
    this.#finish(span, open);
  }

  #take(span: Span, open: OpenRuns, row: StoredRow): void {
    const { kind, seq, at, payer, lane, reservation, amount } = row;
    const run = kind === "charge" || kind === "release" ? open.get(reservation) : undefined;
    const party = run?.[0] ?? this.#parties.idOf(payer, lane, row.deployment ?? "");
    if (kind === "reserve") open.set(reservation, [party, amount]);
    if (run) open.delete(reservation);
    count(span.totals, row, run?.[1] ?? null);
    span.minAt = Math.min(span.minAt, at);
    span.maxAt = Math.max(span.maxAt, at);
    const offsets = span.offsets.get(party);
    if (offsets) offsets.push(seq - span.first);
    else span.offsets.set(party, [seq - span.first]);
  }

  #finish({ first, minAt, maxAt, totals }: Span, open: OpenRuns): void {
    const last = first + this.layout.spanRows - 1;
    const runs = JSON.stringify([...open].map(([reservation, run]) => [reservation, ...run]));
    inTransaction(this.database, () => {
      prepared(this.database, "INSERT INTO spans VALUES (?, ?, ?, ?, ?)")
        .run(first, last, minAt, maxAt, totalsText(totals));
      prepared(this.database, "UPDATE indexing SET up_to = ?, open = ?").run(last, runs);
    });
  }
}

/** What has not ended at the end of the last span. */
export function openRuns(database: DatabaseSync): OpenRuns {
  const row = prepared(database, "SELECT open FROM indexing").get() as { open: string };
  const runs: [number, number, string][] = JSON.parse(row.open);
  return new Map(runs.map(([reservation, party, price]) => [reservation, [party, price]]));
}

/** So many rows from `first` on. @throws Error when some of them are not there */
export function rowsOf(database: DatabaseSync, first: number, rows: number): StoredRow[] {
  const found = prepared(database, "SELECT * FROM journal WHERE seq BETWEEN ? AND ? ORDER BY seq")
    .all(first, first + rows - 1) as unknown as StoredRow[];
  if (found.length === rows) return found;
  throw new Error(`the ledger lacks rows between ${first} and ${first + rows - 1}`);
}

/** Numbers of those that rows are of. */
class Parties {
  readonly #known = new Map<string, number>();
  readonly #insert;
  readonly #find;

  constructor(database: DatabaseSync) {
    this.#insert = prepared(
      database,
      "INSERT OR IGNORE INTO parties (payer, lane, deployment) VALUES (?, ?, ?)",
    );
    this.#find = prepared(
      database,
      "SELECT id FROM parties WHERE payer = ? AND lane = ? AND deployment = ?",
    );
  }

  idOf(...party: [payer: string, lane: string, deployment: string]): number {
    const text = party.join();
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    this.#insert.run(...party);
    const { id } = this.#find.get(...party) as { id: number };
    if (this.#known.size >= PARTIES_KEPT) this.#known.clear();
    this.#known.set(text, id);
    return id;
  }
}
