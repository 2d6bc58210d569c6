/**
 * SQLite whose commits are put on the disk by another thread. In WAL mode a commit under
 * synchronous NORMAL only hands the log to the operating system; syncing the log file afterwards
 * makes it as durable as FULL would, but without stopping our one thread for the disk.
 */
import { DatabaseSync } from "node:sqlite";

export interface Durable {
  readonly database: DatabaseSync;
  /** Resolves when everything committed before the call is on the disk. */
  sync(): Promise<void>;
  close(): void;
}

/** Opens (or creates) a database with `schema`, a list of idempotent statements. */
export function openDurable(path: string, schema: string): Durable {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL");
  // A write under FULL makes the log file and its name in the folder durable.
  database.exec(`PRAGMA synchronous = FULL; ${schema}; PRAGMA user_version = 1`);
  database.exec("PRAGMA synchronous = NORMAL");
  let log: Promise<Deno.FsFile> | null = null;
  let isClosed = false;
  return {
    database,
    async sync() {
      log ??= Deno.open(`${path}-wal`, { read: true, write: true });
      await (await log).syncData();
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      log?.then((file) => file.close(), () => {});
      database.close();
    },
  };
}
