/** Statements of a database, each made when it is first needed. */
import type { DatabaseSync, StatementSync } from "node:sqlite";

const STATEMENTS = new WeakMap<DatabaseSync, Map<string, StatementSync>>();

/** The statement `sql`; there are few, written by us, and values are given apart. */
export function prepared(database: DatabaseSync, sql: string): StatementSync {
  const known = STATEMENTS.get(database) ?? new Map<string, StatementSync>();
  STATEMENTS.set(database, known);
  const statement = known.get(sql) ?? database.prepare(sql);
  known.set(sql, statement);
  return statement;
}
