/** A write that has to be on disk at once, in a database whose other writes may wait. */
import type { DatabaseSync } from "node:sqlite";

/** What `write` writes is on disk when this returns. */
export function durably(database: DatabaseSync, write: () => void): void {
  database.exec("PRAGMA synchronous = FULL");
  try {
    write();
  } finally {
    database.exec("PRAGMA synchronous = NORMAL");
  }
}
