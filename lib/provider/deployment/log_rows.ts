/** A table of log lines by deployment, of so many bytes together: the oldest make room. */
import { Buffer } from "node:buffer";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { CidText } from "../../cid.ts";
import { inTransaction } from "../../transaction.ts";

export interface LogRow {
  /** In the order in which rows were written, in all tables of one log. */
  number: number;
  text: string;
}

export interface OwnedRow extends LogRow {
  readonly cid: CidText;
}

/** Rows dropped at a time when all together are too many. */
const DROPPED_ROWS = 64;

export class LogRows {
  readonly #insert: StatementSync;
  readonly #trimToCount: StatementSync;
  readonly #trimToBytes: StatementSync;
  readonly #dropOldest: StatementSync;
  readonly #select: StatementSync;
  readonly #selectAll: StatementSync;
  readonly #last: StatementSync;
  readonly #newest: StatementSync;
  readonly #bytes: StatementSync;

  /**
   * @param table its name, and that of its column of text
   * @param bytesMax of all deployments together
   */
  constructor(
    database: DatabaseSync,
    { name, column }: { name: string; column: string },
    private readonly bytesMax: number,
  ) {
    database.exec(`
      CREATE TABLE IF NOT EXISTS ${name} (cid TEXT NOT NULL, ${column} TEXT NOT NULL) STRICT;
      CREATE INDEX IF NOT EXISTS ${name}_by_cid ON ${name} (cid);
    `);
    const size = `OCTET_LENGTH(${column})`;
    countBytes(database, name, (row) => `OCTET_LENGTH(${row}.${column})`);
    this.#insert = database.prepare(
      `INSERT INTO ${name} (rowid, cid, ${column}) VALUES (?, ?, ?)`,
    );
    this.#trimToCount = database.prepare(
      `DELETE FROM ${name} WHERE cid = ?1 AND rowid <= (
         SELECT rowid FROM ${name} WHERE cid = ?1 ORDER BY rowid DESC LIMIT 1 OFFSET ?2)`,
    );
    this.#trimToBytes = database.prepare(
      `DELETE FROM ${name} WHERE cid = ?1 AND rowid <= (
         SELECT MAX(number) FROM (
           SELECT rowid AS number, SUM(${size}) OVER (ORDER BY rowid DESC) AS newer
           FROM ${name} WHERE cid = ?1)
         WHERE newer > ?2)`,
    );
    this.#dropOldest = database.prepare(
      `DELETE FROM ${name} WHERE rowid IN (
         SELECT rowid FROM ${name} ORDER BY rowid LIMIT ${DROPPED_ROWS})`,
    );
    this.#select = database.prepare(
      `SELECT rowid AS number, ${column} AS text FROM ${name}
       WHERE cid = ? AND rowid > ? ORDER BY rowid`,
    );
    this.#selectAll = database.prepare(
      `SELECT rowid AS number, cid, ${column} AS text FROM ${name}
       WHERE rowid > ? ORDER BY rowid LIMIT ?`,
    );
    this.#last = database.prepare(
      `SELECT ${column} AS text FROM ${name} WHERE cid = ? ORDER BY rowid DESC LIMIT 1`,
    );
    this.#newest = database.prepare(`SELECT MAX(rowid) AS number FROM ${name}`);
    this.#bytes = database.prepare(`SELECT bytes FROM ${name}Bytes`);
  }

  /** @returns its bytes */
  add(number: number, cid: CidText, text: string): number {
    this.#insert.run(number, cid, text);
    return Buffer.byteLength(text);
  }

  /** Leaves the deployment's latest `count` rows. */
  trimToCount(cid: CidText, count: number): void {
    this.#trimToCount.run(cid, count);
  }

  /** Leaves the deployment's latest rows, of `bytes` at most. Reads all of them. */
  trimToBytes(cid: CidText, bytes: number): void {
    this.#trimToBytes.run(cid, bytes);
  }

  /** Drops the oldest of all deployments where they are too many. */
  makeRoom(): void {
    for (let dropped = 1; this.#all() > this.bytesMax && dropped > 0;) {
      dropped = Number(this.#dropOldest.run().changes);
    }
  }

  /** A deployment's rows with a higher number, in their order. */
  after(cid: CidText, number: number): LogRow[] {
    return this.#select.all(cid, number) as unknown as LogRow[];
  }

  /**
   * The first rows of all deployments with a higher number, in their order: so many, and no more
   * once they have so many bytes.
   */
  allAfter(number: number, most: number, bytesMost: number): OwnedRow[] {
    const rows: OwnedRow[] = [];
    let bytes = 0;
    for (const row of this.#selectAll.iterate(number, most) as Iterable<unknown>) {
      rows.push(row as OwnedRow);
      bytes += Buffer.byteLength((row as OwnedRow).text);
      if (bytes >= bytesMost) break;
    }
    return rows;
  }

  /** The text of a deployment's last row; null: it has none. */
  last(cid: CidText): string | null {
    return this.#last.get(cid)?.text as string | undefined ?? null;
  }

  /** The highest number; 0: there is none. */
  newest(): number {
    return this.#newest.get()!.number as number | null ?? 0;
  }

  /** Bytes of all that is there. */
  #all(): number {
    return this.#bytes.get()!.bytes as number;
  }
}

/** Has the database count the bytes of a table's texts in the transaction of each change. */
function countBytes(database: DatabaseSync, name: string, size: (row: string) => string): void {
  const counted = database.prepare("SELECT 1 FROM sqlite_master WHERE name = ?");
  if (counted.get(`${name}Bytes`)) return;
  const add = (text: string) => `UPDATE ${name}Bytes SET bytes = bytes + ${text};`;
  inTransaction(database, () =>
    database.exec(`
      CREATE TABLE ${name}Bytes (bytes INTEGER NOT NULL) STRICT;
      INSERT INTO ${name}Bytes SELECT TOTAL(${size(name)}) FROM ${name};
      CREATE TRIGGER ${name}Added AFTER INSERT ON ${name} BEGIN ${add(size("NEW"))} END;
      CREATE TRIGGER ${name}Dropped AFTER DELETE ON ${name} BEGIN ${add(`-${size("OLD")}`)} END;
    `));
}
