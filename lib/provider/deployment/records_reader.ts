/** A look into a provider's records that changes nothing, while a provider may be writing them. */
import { DatabaseSync } from "node:sqlite";

/**
 * What `read` makes of the records at `path`.
 * @param table the one that is read; another release's records may lack it
 * @returns null where there are no records yet, or no such table
 */
export function readRecords<Result>(
  path: string,
  table: string,
  read: (database: DatabaseSync) => Result,
): Result | null {
  if (!isFile(path)) return null;
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return hasTable(database, table) ? read(database) : null;
  } finally {
    database.close();
  }
}

export function hasTable(database: DatabaseSync, name: string): boolean {
  const table = database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?");
  return table.get(name) !== undefined;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
