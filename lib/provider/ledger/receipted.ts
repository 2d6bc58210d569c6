/**
 * Where the charges are that have a receipt. An index over the journal would have each call write a
 * page more before it is answered (`deno task bench payments`, row "caller pays"), though few ask
 * for a receipt, and none at once: so what was charged is noted once in a while, or when somebody
 * asks.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { IS_RECEIPTED, type StoredRow } from "./codec.ts";

/** Goes with the journal's. An index is what earlier versions had. */
export const RECEIPTED_SCHEMA = `
  DROP INDEX IF EXISTS journal_by_reservation;
  DROP INDEX IF EXISTS journal_receipted;
  CREATE TABLE IF NOT EXISTS receipted (
    reservation INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL
  ) STRICT
`;

/** Rows of the journal that are looked at together; few enough for whoever waits. */
const ROWS_AT_ONCE = 512;

export class Receipted {
  readonly #note: StatementSync;
  readonly #find: StatementSync;
  readonly #newest: StatementSync;
  /** The newest row of the journal that was looked at. */
  #upTo: number;

  /** @param low up to this row all of the journal was looked at; 0: nobody knows how far */
  constructor(database: DatabaseSync, low = 0) {
    this.#note = database.prepare(`
      INSERT OR IGNORE INTO receipted
      SELECT reservation, seq FROM journal WHERE seq > ? AND seq <= ? AND ${IS_RECEIPTED}
    `);
    this.#find = database.prepare(`
      SELECT journal.* FROM receipted JOIN journal USING (seq) WHERE receipted.reservation = ?
    `);
    this.#newest = database.prepare("SELECT MAX(seq) AS seq FROM journal");
    this.#upTo = low > 0
      ? low
      : seqIn(database.prepare("SELECT MAX(seq) AS seq FROM receipted").get());
  }

  /** The journal has so many rows by now. */
  goOn(newest: number): void {
    if (newest - this.#upTo < ROWS_AT_ONCE) return;
    // After a start there may be many.
    this.noteUpTo(Math.min(newest, this.#upTo + 8 * ROWS_AT_ONCE));
  }

  /** The row of the charge that ended a reservation; undefined when there is none. */
  find(reservation: number): StoredRow | undefined {
    this.noteUpTo(seqIn(this.#newest.get()));
    return this.#find.get(reservation) as unknown as StoredRow | undefined;
  }

  /** Looks at all rows up to `newest`. */
  noteUpTo(newest: number): void {
    if (newest <= this.#upTo) return;
    this.#note.run(this.#upTo, newest);
    this.#upTo = newest;
  }
}

function seqIn(row: unknown): number {
  return (row as { seq: number | null }).seq ?? 0;
}
