/**
 * Which permits were renewed for deployments that nobody had paid for yet: a stranger can make any
 * number of such deployments, and a credit is what a place on our disk costs.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Permit } from "../../permit.ts";

/** Where a permit stands. */
export type PermitPlace = Pick<Permit, "payer" | "lane">;

/** The newest last. What an earlier release kept may be any of them. */
const SCHEMA = `
  BEGIN IMMEDIATE;
  CREATE TABLE unpaidPermits (
    number INTEGER PRIMARY KEY, payer TEXT NOT NULL, lane TEXT NOT NULL, UNIQUE (payer, lane)
  ) STRICT;
  INSERT INTO unpaidPermits (payer, lane) SELECT payer, lane FROM permits ORDER BY at;
  COMMIT;
`;

export class UnpaidPermits {
  readonly #remove: StatementSync;
  readonly #insert: StatementSync;
  readonly #oldest: StatementSync;
  readonly #countAll: StatementSync;

  /** @param database has the table of permits */
  constructor(database: DatabaseSync) {
    const table = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'unpaidPermits'");
    if (!table.get()) database.exec(SCHEMA);
    this.#remove = database.prepare("DELETE FROM unpaidPermits WHERE payer = ? AND lane = ?");
    this.#insert = database.prepare("INSERT INTO unpaidPermits (payer, lane) VALUES (?, ?)");
    this.#oldest = database.prepare(
      "DELETE FROM unpaidPermits WHERE number = (SELECT MIN(number) FROM unpaidPermits) " +
        "RETURNING payer, lane",
    );
    this.#countAll = database.prepare("SELECT COUNT(*) AS count FROM unpaidPermits");
  }

  /** How many there are. */
  get count(): number {
    return this.#countAll.get()!.count as number;
  }

  /** It is the newest now. */
  add(place: PermitPlace): void {
    this.remove(place);
    this.#insert.run(place.payer, place.lane);
  }

  remove({ payer, lane }: PermitPlace): void {
    this.#remove.run(payer, lane);
  }

  /** Null: there is none. */
  takeOldest(): PermitPlace | null {
    return this.#oldest.get() as PermitPlace | undefined ?? null;
  }
}
