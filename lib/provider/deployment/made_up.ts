/**
 * How far it is made up, row by row of the table of deployments, for what an earlier release did
 * not write down of each; what is registered from now on has it.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS madeUp (what TEXT PRIMARY KEY, upTo INTEGER NOT NULL) STRICT;
`;

export class MadeUp {
  #last: number;
  #upTo: number;
  readonly #write: StatementSync;

  /** @param what it is; the database has the table of deployments */
  constructor(database: DatabaseSync, private readonly what: string) {
    database.exec(SCHEMA);
    const newest = database.prepare("SELECT MAX(rowid) AS row FROM deployments").get()!;
    const known = database.prepare("SELECT upTo FROM madeUp WHERE what = ?").get(what);
    this.#write = database.prepare("INSERT OR REPLACE INTO madeUp VALUES (?, ?)");
    this.#last = newest.row as number | null ?? 0;
    this.#upTo = Math.min(known?.upTo as number | undefined ?? 0, this.#last);
  }

  /** The last row for which it is. */
  get upTo(): number {
    return this.#upTo;
  }

  /** The last row for which it may have to be. */
  get last(): number {
    return this.#last;
  }

  /** It is done up to row `upTo`, in the same transaction. */
  advance(upTo: number): void {
    this.#upTo = Math.min(upTo, this.#last);
    this.#write.run(this.what, this.#upTo);
  }

  /** It is done for a new row; not for those that another process wrote before. */
  add(row: number): void {
    const isNext = row === this.#upTo + 1;
    this.#last = row;
    if (isNext) this.advance(row);
  }
}
