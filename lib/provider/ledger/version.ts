/**
 * What the rows of a ledger mean. Permits of version 1 had no epoch: the escrow that they were
 * signed for is another one, so nothing on them can be settled or compared here. Version 3 has
 * lanes beside its rows (lane_table.ts), and may lack the rows that these count: whoever replays
 * rows alone would misread it.
 */
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { KhachapuriError } from "../../errors.ts";

export const LEDGER_VERSION = 3;
/** Whose rows say everything. Such a ledger is read, and kept on until its lanes are complete. */
export const ROWS_VERSION = 2;

/** Where a ledger is that is brought to `path` and is not all there (transfer/to_sqlite.ts). */
export function importingPath(path: string): string {
  return `${path}-importing`;
}

/**
 * Refuses a ledger that an earlier version kept, or whose import has not ended; one without rows,
 * or none at all, is as good as new.
 * @throws KhachapuriError `invalid_config` that says what to do
 */
export function assertLedgerVersion(path: string): void {
  if (isThere(importingPath(path))) throw halfThere(importingPath(path));
  const version = versionOf(path);
  if (version === null) return;
  if (version >= ROWS_VERSION && version <= LEDGER_VERSION) return;
  const message = version < ROWS_VERSION
    ? `${path} was kept for an earlier escrow, whose permits had no epoch`
    : `${path} was kept by a later release (version ${version})`;
  const hints = version < ROWS_VERSION
    ? ["settle what it holds with the release that wrote it", moveAway(path)]
    : ["run that release"];
  throw new KhachapuriError("invalid_config", message, { hints });
}

function halfThere(path: string): KhachapuriError {
  return new KhachapuriError(
    "invalid_config",
    `${path} is half a ledger: its import has not ended`,
    {
      hints: [
        "khachapuri ledger import FILE, again: it begins anew",
        "or remove it, purchases.db and answers.db, which are of that import, to have no ledger",
      ],
    },
  );
}

/** With what SQLite keeps beside it. */
function moveAway(path: string): string {
  const aside = join(dirname(path), "earlier");
  return `then: mkdir -p ${aside} && mv ${path}* ${aside}`;
}

/** Null when there is no such file, or nothing in it. */
function versionOf(path: string): number | null {
  if (!isThere(path)) return null;
  const database = new DatabaseSync(path);
  try {
    const table = "SELECT 1 FROM sqlite_master WHERE name = 'journal'";
    if (!database.prepare(table).get()) return null;
    const row = database.prepare("PRAGMA user_version").get() as { user_version: number };
    // Rows that its lanes count may have gone.
    const isWhole = row.user_version <= ROWS_VERSION;
    const isEmpty = !database.prepare("SELECT 1 FROM journal LIMIT 1").get();
    return isWhole && isEmpty ? null : row.user_version;
  } finally {
    database.close();
  }
}

export function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
