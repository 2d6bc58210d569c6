/** The book of denials, one SQLite file: those in force, and those that were. */
import { DatabaseSync } from "node:sqlite";
import { KhachapuriError } from "../../errors.ts";
import type { Denial, DenialWish } from "./denial.ts";

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
  private constructor(private readonly database: DatabaseSync) {}

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

  add(wish: DenialWish, at: number): Denial {
    const { kind, what, reason, note, until } = wish;
    const insert = this.database.prepare(
      "INSERT INTO denials (kind, what, reason, note, at, until) VALUES (?, ?, ?, ?, ?, ?)",
    );
    const { lastInsertRowid } = insert.run(kind, what, reason, note, at, until);
    return { ...wish, id: Number(lastInsertRowid), at, lifted: null };
  }

  /** The same denial, for another reason or time. */
  change(denial: Denial, { reason, note, until }: DenialWish): Denial {
    const update = "UPDATE denials SET reason = ?, note = ?, until = ? WHERE id = ?";
    this.database.prepare(update).run(reason, note, until, denial.id);
    return { ...denial, reason, note, until };
  }

  lift(denial: Denial, at: number): Denial {
    this.database.prepare("UPDATE denials SET lifted = ? WHERE id = ?").run(at, denial.id);
    return { ...denial, lifted: at };
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
