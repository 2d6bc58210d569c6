/** The book of denials, one SQLite file: those in force, and those that were. */
import { DatabaseSync } from "node:sqlite";
import { KhachapuriError } from "../../errors.ts";
import type { Denial } from "./denial.ts";

/** Its name in the book folder. */
export const DENIALS_FILE = "denials.db";

const VERSION = 1;

/** Times in Unix ms. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS denials (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    what TEXT NOT NULL,
    reason TEXT NOT NULL,
    note TEXT,
    at INTEGER NOT NULL,
    until INTEGER,
    lifted INTEGER
  ) STRICT;
`;

export class DenialBook {
  private constructor(readonly database: DatabaseSync) {}

  /**
   * Opens the book, or makes it.
   * @throws KhachapuriError `invalid_config` for one of a later release
   */
  static open(path: string): DenialBook {
    const database = new DatabaseSync(path);
    try {
      // Each change is on disk when it returns: there are few, and a person waits for it.
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
      assertVersion(database, path);
      database.exec(`${SCHEMA} PRAGMA user_version = ${VERSION}`);
      return new DenialBook(database);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Every denial there ever was, oldest first. */
  all(): Denial[] {
    return this.database.prepare("SELECT * FROM denials ORDER BY id").all() as unknown as Denial[];
  }

  /** One that is lifted stays, so no number is given twice. */
  nextId(): number {
    return this.database.prepare("SELECT COALESCE(MAX(id), 0) + 1 AS id FROM denials").get()!
      .id as number;
  }

  /** A new one, or one as it is from now on. */
  put({ id, kind, what, reason, note, at, until, lifted }: Denial): void {
    this.database.prepare(
      "INSERT OR REPLACE INTO denials (id, kind, what, reason, note, at, until, lifted) " +
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    ).run(id, kind, what, reason, note, at, until, lifted);
  }

  close(): void {
    this.database.close();
  }
}

function assertVersion(database: DatabaseSync, path: string): void {
  const { user_version } = database.prepare("PRAGMA user_version").get() as {
    user_version: number;
  };
  if (user_version <= VERSION) return;
  const message = `${path} was kept by a later release (version ${user_version})`;
  throw new KhachapuriError("invalid_config", message, { hints: ["run that release"] });
}
