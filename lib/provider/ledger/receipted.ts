/**
 * Where the charges are that have a receipt. An index over the journal would have each call write a
 * page more before it is answered (`deno task bench payments`, row "caller pays"), though few ask
 * for a receipt, and none at once: so what was charged is noted once in a while, or when somebody
 * asks.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { IS_RECEIPTED, type StoredRow } from "./codec.ts";
import { inTransaction } from "../../transaction.ts";

/** Goes with the journal's. An index is what earlier versions had. */
export const RECEIPTED_SCHEMA = `
  DROP INDEX IF EXISTS journal_by_reservation;
  DROP INDEX IF EXISTS journal_receipted;
  CREATE TABLE IF NOT EXISTS receipted (
    reservation INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS receipted_up_to (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL
  ) STRICT
`;

/** Rows of the journal that are looked at together; few enough for whoever waits. */
const ROWS_AT_ONCE = 512;
/** The same where many were left, as by a release that knew no receipts: 3 ms. */
const ROWS_MOST = 8_192;

export class Receipted {
  readonly #note: StatementSync;
  readonly #find: StatementSync;
  readonly #newest: StatementSync;
  readonly #noteEnd: StatementSync;
  /** The newest row of the journal that was looked at. */
  #upTo: number;

  constructor(private readonly database: DatabaseSync) {
    this.#note = database.prepare(`
      INSERT OR IGNORE INTO receipted
      SELECT reservation, seq FROM journal WHERE seq > ? AND seq <= ? AND ${IS_RECEIPTED}
    `);
    this.#find = database.prepare(`
      SELECT journal.* FROM receipted JOIN journal USING (seq) WHERE receipted.reservation = ?
    `);
    this.#newest = database.prepare("SELECT MAX(seq) AS seq FROM journal");
    this.#noteEnd = database.prepare("INSERT OR REPLACE INTO receipted_up_to VALUES (1, ?)");
    this.#upTo = seqIn(
      database.prepare(`
        SELECT max(
          coalesce((SELECT seq FROM receipted_up_to), 0),
          coalesce((SELECT max(seq) FROM receipted), 0)
        ) AS seq
      `).get(),
    );
  }

  /** The journal has so many rows by now. */
  goOn(newest: number): void {
    if (newest - this.#upTo < ROWS_AT_ONCE) return;
    this.#noteUpTo(Math.min(newest, this.#upTo + ROWS_MOST));
  }

  /** The row of the charge that ended a reservation; undefined when the table has none. */
  find(reservation: number): StoredRow | undefined {
    this.#noteUpTo(seqIn(this.#newest.get()));
    return this.#find.get(reservation) as unknown as StoredRow | undefined;
  }

  #noteUpTo(newest: number): void {
    if (newest <= this.#upTo) return;
    inTransaction(this.database, () => {
      this.#note.run(this.#upTo, newest);
      this.#noteEnd.run(newest);
    });
    this.#upTo = newest;
  }
}

function seqIn(row: unknown): number {
  return (row as { seq: number | null }).seq ?? 0;
}
