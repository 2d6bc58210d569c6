/**
 * Which rows of a table of this node its fleet lacks: those behind the last that is known
 * to be in the log. Nothing has to be written of a row when it comes, and whatever happens to a
 * node before it has sent one, the next start finds it.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS sharedUpTo (what TEXT PRIMARY KEY, upTo INTEGER NOT NULL) STRICT;
`;

export class Unsent {
  readonly #find: StatementSync;
  readonly #write: StatementSync;
  readonly #newest: StatementSync;

  /** @param table whose rows are numbered in the order in which they come */
  constructor(database: DatabaseSync, private readonly table: string) {
    database.exec(SCHEMA);
    this.#find = database.prepare("SELECT upTo FROM sharedUpTo WHERE what = ?");
    this.#write = database.prepare("INSERT OR REPLACE INTO sharedUpTo VALUES (?, ?)");
    this.#newest = database.prepare(`SELECT MAX(rowid) AS number FROM ${table}`);
  }

  /** The last row that was sent. */
  get upTo(): number {
    return this.#find.get(this.table)?.upTo as number | undefined ?? 0;
  }

  /** Whether something is to be sent. */
  isWaiting(): boolean {
    return this.#last() > this.upTo;
  }

  /** All up to this row are in the log. */
  sent(upTo: number): void {
    this.#write.run(this.table, upTo);
  }

  /**
   * Writes what the log has, in the transaction that is open. Where something waits to be sent it
   * may be sent with it, and changes nothing there.
   */
  learn(write: () => void): void {
    const isWaiting = this.isWaiting();
    write();
    if (!isWaiting) this.sent(this.#last());
  }

  #last(): number {
    return this.#newest.get()!.number as number | null ?? 0;
  }
}
