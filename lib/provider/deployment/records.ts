/**
 * What the provider keeps about deployments across restarts, in one file: which exist, which their
 * owner has stopped, the permits that owners signed since, what this provider asked when they came,
 * and the latest runs of each. Never a secret of a spec.
 */
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { openStateDatabase } from "../../state_database.ts";
import { Agreements } from "./agreements.ts";
import { OwnerPermits } from "./owner_permits.ts";
import { Registrations } from "./registrations.ts";
import { RunLog, type RunLogOptions } from "./run_log.ts";
import { Stops } from "./stops.ts";
import { TariffBook } from "./tariff_book.ts";

export interface Records {
  /** The file. */
  readonly database: DatabaseSync;
  readonly registrations: Registrations;
  readonly agreements: Agreements;
  readonly tariffs: TariffBook;
  readonly stops: Stops;
  readonly ownerPermits: OwnerPermits;
  readonly runLog: RunLog;
  close(): void;
}

export interface RecordsOptions extends RunLogOptions {
  now?: () => number;
}

/** Where a provider's records are, in its state directory. */
export function recordsPath(stateDir: string): string {
  return join(stateDir, "book", "deployments.db");
}

/** Opens (or creates) the records at `path`. */
export function openRecords(path: string, options: RecordsOptions = {}): Records {
  const now = options.now ?? Date.now;
  const database = openStateDatabase(path);
  // Only stops and permits have to be on disk at once; they say so themselves.
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  const stops = new Stops(database, now);
  const tariffs = new TariffBook(database, now);
  const agreements = new Agreements(database);
  const registrations = new Registrations(database, stops, agreements, tariffs, now);
  const ownerPermits = new OwnerPermits(database, registrations, now);
  const runLog = new RunLog(database, options);
  return {
    database,
    registrations,
    agreements,
    tariffs,
    stops,
    ownerPermits,
    runLog,
    close() {
      runLog.close();
      database.close();
    },
  };
}
