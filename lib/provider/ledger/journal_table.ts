/**
 * The journal as SQLite has it, and what was handed over and is not there yet: together they are
 * what was written. A row has its number from the start, so that none is in both.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { COLUMNS, type Row, SCHEMA, type StoredRow } from "./codec.ts";
import { type Durable, openDurable } from "./durable.ts";
import { HandedOver, handedOver, handedOverText } from "./handed_over.ts";
import { Receipted, RECEIPTED_SCHEMA } from "./receipted.ts";
import { LANES_SCHEMA, type Mark, markIn, moveMark } from "./lane_table.ts";
import { prepared } from "./prepared.ts";
import { inTransaction } from "../../transaction.ts";
import { LEDGER_VERSION, ROWS_VERSION } from "./version.ts";

/** Rows that one statement inserts. */
const INSERT_ROWS = 64;

export class JournalTable {
  readonly #receipted: Receipted;
  readonly #handedOver: HandedOver;
  readonly #statements: StatementSync[] = [];
  /** Not in the table yet. */
  #rows: Row[];
  /** The newest row in the table. */
  #newest: number;

  private constructor(private readonly durable: Durable, path: string) {
    const { database } = durable;
    this.#receipted = new Receipted(database);
    this.#newest = newestIn(database);
    this.#rows = [...handedOver(handedOverText(path), this.#newest)?.rows ?? []];
    this.#handedOver = new HandedOver(path);
  }

  /** Opens (or creates) the table, with what a life before had only handed over. */
  static async open(path: string): Promise<JournalTable> {
    const schema = `${SCHEMA}; ${RECEIPTED_SCHEMA}; ${LANES_SCHEMA}`;
    const durable = openDurable(path, schema, LEDGER_VERSION, ROWS_VERSION);
    const table = new JournalTable(durable, path);
    table.#putIn();
    // It may have been there for long: a loss of power is to lose none of it now.
    await durable.sync();
    table.#handedOver.clear();
    return table;
  }

  /** All of it. */
  get database(): DatabaseSync {
    this.#putIn();
    return this.durable.database;
  }

  /**
   * Hands rows over to the operating system, all or none.
   * @param isSynced `sync` is called next: they go right into the table
   */
  write(rows: readonly Row[], isSynced: boolean): void {
    if (isSynced) return this.#putIn(rows);
    this.#handedOver.append({ seq: this.#newest + this.#rows.length + 1, rows });
    for (const row of rows) this.#rows.push(row);
  }

  /** The number of the last row. */
  newest(): number {
    return this.#newest + this.#rows.length;
  }

  /** Resolves when everything that was written before is on the disk. */
  async sync(): Promise<void> {
    this.#putIn();
    this.#receipted.goOn(this.#newest);
    await this.durable.sync();
  }

  /** The row of the charge that ended a reservation and has a receipt; undefined: there is none. */
  receipted(reservation: number): StoredRow | undefined {
    this.#putIn();
    return this.#receipted.find(reservation);
  }

  /**
   * Does `work`, whose writes come after all that was written before; all of them or none.
   * @param work is given the number of the last row
   */
  inTransaction(work: (newest: number) => void): void {
    this.#putIn();
    inTransaction(this.durable.database, () => work(this.#newest));
  }

  /** No start needs what is up to the mark any more. */
  moveMark(mark: Mark): void {
    this.#putIn();
    inTransaction(this.durable.database, () => moveMark(this.durable.database, mark));
  }

  /** What was not synced before stays where it is. */
  close(): void {
    if (this.#rows.length === 0) this.#handedOver.clear();
    this.#handedOver.close();
    this.durable.close();
  }

  /** All or none, and `more` with it. */
  #putIn(more: readonly Row[] = []): void {
    const rows = [...this.#rows, ...more];
    if (rows.length === 0) return;
    insertRows(rows, this.#newest + 1, this.durable.database, this.#statements);
    this.#newest += rows.length;
    this.#rows = [];
    this.#handedOver.rewind();
  }
}

/** The number of the last row that ever was in the table. */
export function newestIn(database: DatabaseSync): number {
  const row = prepared(database, "SELECT max(seq) AS seq FROM journal").get();
  // Of a journal whose rows have all gone the mark tells the number of the last.
  return (row as { seq: number | null }).seq ?? markIn(database).low;
}

/**
 * Inserts the rows as a whole.
 * @param statements one for each number of rows, made when it is first needed
 */
function insertRows(
  rows: readonly Row[],
  firstSeq: number,
  database: DatabaseSync,
  statements: StatementSync[],
): void {
  const insert = (from: number) => {
    const some = rows.slice(from, from + INSERT_ROWS);
    const statement = statements[some.length] ??= prepare(database, some.length);
    statement.run(...some.flatMap((row, at) => [firstSeq + from + at, ...row]));
  };
  if (rows.length <= INSERT_ROWS) return insert(0);
  inTransaction(database, () => {
    for (let from = 0; from < rows.length; from += INSERT_ROWS) insert(from);
  });
}

/** What inserts so many rows, each its number first. */
export function prepare(database: DatabaseSync, rows: number): StatementSync {
  const columns = `seq, ${COLUMNS}`;
  const placeholders = `(${columns.split(", ").map(() => "?").join(", ")})`;
  return database.prepare(
    `INSERT INTO journal (${columns}) VALUES ${Array(rows).fill(placeholders).join(", ")}`,
  );
}
