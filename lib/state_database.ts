/**
 * Databases of a provider's state: what the rows of each mean has a version, and a release that
 * does not know it yet refuses the file by name, before it has changed anything.
 */
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { KhachapuriError } from "./errors.ts";
import { isMissing, namedDatabase } from "./files.ts";

/** By the names of the files. One goes up when an older release would misread what is written. */
const VERSIONS: Readonly<Record<string, number>> = {
  "ledger.db": 3,
  "purchases.db": 1,
  "operator.db": 1,
  "relays.db": 1,
  "answers.db": 1,
  "deployments.db": 1,
  "content.db": 1,
  "names.db": 1,
  "resolutions.db": 1,
};

/**
 * Two processes of a provider may write for a moment while one takes the other's place: whoever is
 * second waits, ms.
 */
const BUSY_MS = 5_000;

/** What rows of the file at `path` mean in this release. */
export function stateVersion(path: string): number {
  return VERSIONS[basename(path)] ?? 1;
}

/**
 * Opens (or creates) the database at `path`.
 * @param first what one becomes that is older, where the step to `version` is taken later
 * @throws KhachapuriError `invalid_config` for one that a later release has written; as
 *   `namedDatabase`
 */
export function openStateDatabase(
  path: string,
  version = stateVersion(path),
  first = version,
): DatabaseSync {
  return namedDatabase(path, () => {
    const database = new DatabaseSync(path);
    try {
      database.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
      const found = versionIn(database);
      assertKnown(path, found, version);
      if (found < first) database.exec(`PRAGMA user_version = ${first}`);
    } catch (error) {
      database.close();
      throw error;
    }
    return database;
  });
}

/**
 * Looks at all databases among the books in `book`, and changes none.
 * @throws KhachapuriError `invalid_config` for the first that a later release has written
 */
export function assertStateKnown(book: string): void {
  for (const [name, version] of Object.entries(VERSIONS)) {
    const path = join(book, name);
    if (!isThere(path)) continue;
    namedDatabase(path, () => {
      const database = new DatabaseSync(path, { readOnly: true });
      try {
        assertKnown(path, versionIn(database), version);
      } finally {
        database.close();
      }
    });
  }
}

function versionIn(database: DatabaseSync): number {
  return (database.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
}

function assertKnown(path: string, found: number, version: number): void {
  if (found <= version) return;
  const message = `${path} was kept by a later release (version ${found})`;
  throw new KhachapuriError("invalid_config", message, { hints: ["run that release"] });
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
