/** Which file of the cache has which block, and where in it, on disk. */
import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { blockKey } from "../cid.ts";
import { openStateDatabase } from "../state_database.ts";
import { inTransaction } from "../transaction.ts";
import type { CarSection } from "./car_file.ts";

/** Where a block is said to be. */
export interface BlockPlace {
  file: string;
  offset: number;
  length: number;
}

const FILE = "blocks.db";
/** Rows of a file that is gone are removed so many at a time. */
const SWEPT = 256;

/** A lost or broken index is made anew, so nothing of it has to reach the disk at once. */
const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = OFF;
  CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT,
    blocks INTEGER NOT NULL, isWhole INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS files_by_name ON files (name);
  CREATE TABLE IF NOT EXISTS blocks (
    hash BLOB NOT NULL, file INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS blocks_by_hash ON blocks (hash);
  CREATE INDEX IF NOT EXISTS blocks_by_file ON blocks (file);
`;

export class BlockIndex {
  readonly #database: DatabaseSync;
  readonly #statements: Record<
    "find" | "has" | "begin" | "add" | "count" | "finish" | "strike" | "strikeOldest" | "gone",
    StatementSync
  >;
  readonly #sweepBlocks: StatementSync;
  readonly #sweepFile: StatementSync;
  #blocks: number;

  private constructor(path: string) {
    this.#database = openStateDatabase(path);
    this.#database.exec(SCHEMA);
    const prepare = (sql: string) => this.#database.prepare(sql);
    this.#statements = {
      find: prepare(
        "SELECT name AS file, offset, length FROM blocks JOIN files ON files.id = blocks.file " +
          "WHERE hash = ? AND name IS NOT NULL LIMIT 1",
      ),
      has: prepare("SELECT 1 FROM files WHERE name = ? AND isWhole = 1"),
      begin: prepare("INSERT INTO files (name, blocks, isWhole) VALUES (?, 0, 0)"),
      add: prepare("INSERT INTO blocks VALUES (?, ?, ?, ?)"),
      count: prepare("UPDATE files SET blocks = blocks + ? WHERE id = ?"),
      finish: prepare("UPDATE files SET isWhole = 1 WHERE id = ?"),
      strike: prepare("UPDATE files SET name = NULL WHERE name = ? RETURNING blocks"),
      strikeOldest: prepare(
        "UPDATE files SET name = NULL WHERE id = " +
          "(SELECT id FROM files WHERE name IS NOT NULL ORDER BY id LIMIT 1) RETURNING blocks",
      ),
      gone: prepare("SELECT id FROM files WHERE name IS NULL LIMIT 1"),
    };
    this.#sweepBlocks = prepare(
      "DELETE FROM blocks WHERE rowid IN " +
        `(SELECT rowid FROM blocks WHERE file = ? LIMIT ${SWEPT})`,
    );
    this.#sweepFile = prepare("DELETE FROM files WHERE id = ?");
    const { sum } = prepare(
      "SELECT coalesce(sum(blocks), 0) AS sum FROM files WHERE name IS NOT NULL",
    ).get() as { sum: number };
    this.#blocks = sum;
  }

  /** Opens the index in `dir`; one that can't be read is made anew. */
  static open(dir: string): BlockIndex {
    const path = join(dir, FILE);
    try {
      return new BlockIndex(path);
    } catch {
      for (const end of ["", "-wal", "-shm"]) removeIfThere(path + end);
      return new BlockIndex(path);
    }
  }

  /** Blocks of files that are not struck. */
  blocks(): number {
    return this.#blocks;
  }

  find(key: string): BlockPlace | null {
    return this.#statements.find.get(hashOf(key)) as BlockPlace | undefined ?? null;
  }

  /** Whether all blocks of the file are here. */
  has(name: string): boolean {
    return this.#statements.has.get(name) !== undefined;
  }

  /** A file of this name that is not here. @returns what its blocks are added under */
  begin(name: string): number {
    return Number(this.#statements.begin.run(name).lastInsertRowid);
  }

  add(id: number, sections: readonly CarSection[]): void {
    inTransaction(this.#database, () => {
      for (const { cid, offset, length } of sections) {
        this.#statements.add.run(hashOf(blockKey(cid)), id, offset, length);
      }
      this.#statements.count.run(sections.length, id);
    });
    this.#blocks += sections.length;
  }

  finish(id: number): void {
    this.#statements.finish.run(id);
  }

  /** The file's blocks are found no more; `sweep` removes them. */
  strike(name: string): void {
    this.#take(this.#statements.strike.get(name));
  }

  /** @returns whether there was one */
  strikeOldest(): boolean {
    return this.#take(this.#statements.strikeOldest.get());
  }

  /** Removes some rows of what is struck. @returns whether there may be more */
  sweep(): boolean {
    const gone = this.#statements.gone.get() as { id: number } | undefined;
    if (gone === undefined) return false;
    if (Number(this.#sweepBlocks.run(gone.id).changes) < SWEPT) this.#sweepFile.run(gone.id);
    return true;
  }

  close(): void {
    this.#database.close();
  }

  #take(struck: unknown): boolean {
    if (struck === undefined) return false;
    this.#blocks -= (struck as { blocks: number }).blocks;
    return true;
  }
}

function hashOf(key: string): Uint8Array {
  return Uint8Array.from(key, (character) => character.charCodeAt(0));
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
