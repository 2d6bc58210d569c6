/**
 * How far a file of this node has followed what a fleet shares. It stands in that file, and is
 * written together with what was read: whatever becomes of the file becomes of both.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { inTransaction } from "../../transaction.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS followed (
    one INTEGER PRIMARY KEY CHECK (one = 1), log TEXT NOT NULL, seq INTEGER NOT NULL,
    kinds TEXT NOT NULL
  ) STRICT;
`;

export class Position {
  readonly #write: StatementSync;
  readonly #kinds: string;
  #log: string | null;
  #seq: number;

  /** @param kinds what the file has of the log: a release that has others begins anew */
  constructor(readonly database: DatabaseSync, kinds: readonly string[]) {
    database.exec(SCHEMA);
    this.#kinds = kinds.toSorted().join();
    this.#write = database.prepare("INSERT OR REPLACE INTO followed VALUES (1, ?, ?, ?)");
    const known = database.prepare("SELECT log, seq, kinds FROM followed").get();
    this.#log = known?.log as string | undefined ?? null;
    this.#seq = known?.kinds === this.#kinds ? known.seq as number : 0;
  }

  /** Which log it has followed; null: none. */
  get log(): string | null {
    return this.#log;
  }

  /** The number of the last change that is in the file. */
  get seq(): number {
    return this.#seq;
  }

  /** Does the work of a change, or of several up to `seq`: all of it or nothing is in the file. */
  advance<T>(log: string, seq: number, work: () => T): T {
    const result = inTransaction(this.database, () => {
      this.#write.run(log, seq, this.#kinds);
      return work();
    });
    [this.#log, this.#seq] = [log, seq];
    return result;
  }
}
