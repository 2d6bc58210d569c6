/** Several writes of a database that count together. */
import type { DatabaseSync } from "node:sqlite";

/** All that `work` writes is there when this returns, or nothing of it where it throws. */
export function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
