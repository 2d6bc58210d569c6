/**
 * SQLite whose commits are put on the disk apart from it. In WAL mode a commit under synchronous
 * NORMAL only hands the log to the operating system; syncing the log file afterwards makes it as
 * durable as FULL would, for all commits since the last sync at once.
 */
import type { DatabaseSync } from "node:sqlite";
import { namedDatabase } from "../../files.ts";
import { openStateDatabase } from "../../state_database.ts";

export interface Durable {
  readonly database: DatabaseSync;
  /** Resolves when everything committed before the call is on the disk. */
  sync(): Promise<void>;
  close(): void;
}

/**
 * Pages that the log takes before it is copied into the database, 32 MiB. All else waits while it
 * is; at SQLite's own 1,000 pages a busy provider would wait several times a second.
 */
const LOG_PAGES = 8_192;

/**
 * Opens (or creates) a database with `schema`, a list of idempotent statements.
 * @param versions of what its rows mean, as `openStateDatabase` takes them
 * @throws KhachapuriError as `openStateDatabase`
 */
export function openDurable(
  path: string,
  schema: string,
  ...versions: [version?: number, first?: number]
): Durable {
  const database = namedDatabase(path, () => {
    const opened = openStateDatabase(path, ...versions);
    opened.exec(`PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = ${LOG_PAGES}`);
    // A write under FULL makes the log file and its name in the folder durable.
    opened.exec(`PRAGMA synchronous = FULL; ${schema}`);
    opened.exec("PRAGMA synchronous = NORMAL");
    return opened;
  });
  let log: Promise<Deno.FsFile> | null = null;
  let sync: (() => Promise<void>) | null = null;
  let isClosed = false;
  return {
    database,
    async sync() {
      log ??= Deno.open(`${path}-wal`, { read: true, write: true });
      sync ??= createSync(await log);
      await sync();
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      log?.then((file) => file.close(), () => {});
      database.close();
    },
  };
}

/** A disk that is usually this fast may be waited for here, ms. */
const FAST_MS = 0.5;
/** With more cores than this another thread may wait for any disk. */
const FEW_CORES = 2;
/** The share of the last sync in what is usual. */
const WEIGHT = 0.2;

/**
 * Syncs a file's data: in another thread, so that ours does not stop, but for a fast disk on a
 * small machine, where two threads that wake each other take longer than the disk does
 * (`deno task bench payments`, row "owner pays").
 */
export function createSync(
  file: Pick<Deno.FsFile, "syncData" | "syncDataSync">,
  cores: number = navigator.hardwareConcurrency,
  now: () => number = () => performance.now(),
): () => Promise<void> {
  let usualMs: number | null = null;
  return async () => {
    const startedAt = now();
    const isQuickest = cores <= FEW_CORES && usualMs !== null && usualMs < FAST_MS;
    if (isQuickest) file.syncDataSync();
    else await file.syncData();
    const tookMs = now() - startedAt;
    usualMs = usualMs === null ? tookMs : usualMs + (tookMs - usualMs) * WEIGHT;
  };
}
