/**
 * The latest runs of each deployment, for its owner to read. Logs are no money: runs share a write,
 * so that none costs its call an fsync, and lines that cannot be written are lost.
 */
import { Buffer } from "node:buffer";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { EgressRecord } from "../../../sandbox/egress_tally.ts";
import type { CidText } from "../../cid.ts";
import { RUN_LOG_BYTES_MAX, RUN_LOG_RUNS_MAX } from "../../limits.ts";
import { LogFollowers } from "./log_followers.ts";

/** One run, as its owner may read it. */
export interface LoggedRun {
  /** Unix ms. */
  at: number;
  method: string;
  /**
   * As it was sent, below the deployment, cut to LOGGED_PATH_CHARACTERS_MAX. Without the query,
   * where callers put keys and words of their own; null of a run from before it was kept.
   */
  path: string | null;
  status: number;
  exit: number | null;
  signal: string | null;
  limit: string | null;
  /** How many it took; absent in lines of earlier releases, when each run took one. */
  credits?: number;
  wallMs: number;
  /** User and system time; null where it could not be measured, as for the memory. */
  cpuMs: number | null;
  peakMemoryBytes: number | null;
  stdinBytes: number;
  stdoutBytes: number;
  stderrBytes: number;
  /** What it called, together with the runs beside it; null: it may call nobody. */
  egress: EgressRecord | null;
  /** Why it ended as it did, in words; null when there is nothing to say. */
  reason: string | null;
  /** The beginning of what it wrote there. */
  stderr: string;
}

/** What was read, and where to read on. */
export interface RunLogPage {
  /** Oldest first. */
  runs: LoggedRun[];
  /** Of the last run that was read, in the order in which runs ended. */
  cursor: number;
}

export interface RunLogOptions {
  /** Kept of the runs of all deployments, bytes; beyond it the oldest go. */
  runsBytesMax?: number;
  /** Told when log lines could not be written: no call fails for that. */
  lost?: (error: unknown) => void;
}

/** A crash loses the lines of so long, ms, of so many runs, or of so much stderr. */
const WRITE_WITHIN_MS = 1_000;
/** Where somebody waits for them. */
const FOLLOWED_WITHIN_MS = 100;
const WRITE_RUNS = 256;
const WRITE_STDERR_BYTES = 64 * 1024;
/** Runs dropped at a time when all together are too many. */
const DROPPED_RUNS = 64;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS runs (cid TEXT NOT NULL, run TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS runs_by_cid ON runs (cid);
`;

export class RunLog {
  readonly followers = new LogFollowers();
  readonly #database: DatabaseSync;
  readonly #bytesMax: number;
  readonly #lost: (error: unknown) => void;
  /** By deployment, no more than are kept: of a busy one only the latest are ever written. */
  #waiting = new Map<CidText, LoggedRun[]>();
  #count = 0;
  #stderrBytes = 0;
  /** What is on disk. */
  #bytes: number;
  #timer: ReturnType<typeof setTimeout> | null = null;
  readonly #insert: StatementSync;
  readonly #trim: StatementSync;
  readonly #dropOldest: StatementSync;
  readonly #select: StatementSync;
  readonly #newest: StatementSync;

  constructor(database: DatabaseSync, options: RunLogOptions = {}) {
    this.#database = database;
    this.#bytesMax = options.runsBytesMax ?? RUN_LOG_BYTES_MAX;
    this.#lost = options.lost ?? (() => {});
    database.exec(SCHEMA);
    this.#insert = database.prepare("INSERT INTO runs VALUES (?, ?)");
    const size = "OCTET_LENGTH(run) AS bytes";
    this.#trim = database.prepare(
      `DELETE FROM runs WHERE cid = ?1 AND rowid <= (
         SELECT rowid FROM runs WHERE cid = ?1 ORDER BY rowid DESC LIMIT 1 OFFSET ?2)
       RETURNING ${size}`,
    );
    this.#dropOldest = database.prepare(
      `DELETE FROM runs WHERE rowid IN (SELECT rowid FROM runs ORDER BY rowid LIMIT ${DROPPED_RUNS})
       RETURNING ${size}`,
    );
    this.#select = database.prepare(
      "SELECT rowid, run FROM runs WHERE cid = ? AND rowid > ? ORDER BY rowid",
    );
    this.#newest = database.prepare("SELECT MAX(rowid) AS rowid FROM runs");
    this.#bytes = sumOf(database.prepare(`SELECT ${size} FROM runs`).all());
  }

  add(cid: CidText, run: LoggedRun): void {
    const runs = this.#waiting.get(cid) ?? [];
    this.#waiting.set(cid, runs);
    if (runs.length === RUN_LOG_RUNS_MAX) runs.shift();
    else this.#count += 1;
    runs.push(run);
    this.#stderrBytes += run.stderr.length;
    if (this.#count >= WRITE_RUNS || this.#stderrBytes > WRITE_STDERR_BYTES) this.#flush();
    else if (this.#timer === null) {
      this.#flushIn(this.followers.isFollowed(cid) ? FOLLOWED_WITHIN_MS : WRITE_WITHIN_MS);
    }
  }

  /**
   * A deployment's runs.
   * @param after the cursor of an earlier page, whose runs are left out; 0: from the beginning
   */
  read(cid: CidText, after = 0): RunLogPage {
    this.#flush();
    const newest = this.#newest.get()!.rowid as number | null ?? 0;
    // A cursor from before the records were lost.
    const from = after > newest ? 0 : after;
    const rows = this.#select.all(cid, from);
    const runs = rows.map((row) => parseRun(row.run as string));
    return { runs, cursor: rows.at(-1)?.rowid as number | undefined ?? from };
  }

  close(): void {
    this.followers.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#flush();
  }

  /** The timer is left to fire, and keeps no process alive. */
  #flushIn(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#flush();
    }, ms);
    Deno.unrefTimer(this.#timer);
  }

  #flush(): void {
    if (this.#waiting.size === 0) return;
    const [batch, before] = [this.#waiting, this.#bytes];
    this.#waiting = new Map();
    [this.#count, this.#stderrBytes] = [0, 0];
    try {
      this.#database.exec("BEGIN");
      this.#write(batch);
      this.#database.exec("COMMIT");
      for (const cid of batch.keys()) this.followers.wake(cid);
    } catch (error) {
      this.#bytes = before;
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      this.#lost(error);
    }
  }

  #write(batch: ReadonlyMap<CidText, readonly LoggedRun[]>): void {
    for (const [cid, runs] of batch) {
      for (const run of runs) {
        const text = JSON.stringify(run);
        this.#insert.run(cid, text);
        this.#bytes += Buffer.byteLength(text);
      }
      this.#bytes -= sumOf(this.#trim.all(cid, RUN_LOG_RUNS_MAX));
    }
    for (let dropped = 1; this.#bytes > this.#bytesMax && dropped > 0;) {
      dropped = sumOf(this.#dropOldest.all());
      this.#bytes -= dropped;
    }
  }
}

/** What older versions did not keep is null. */
function parseRun(text: string): LoggedRun {
  return { path: null, egress: null, ...JSON.parse(text) };
}

function sumOf(rows: unknown[]): number {
  return (rows as { bytes: number }[]).reduce((total, { bytes }) => total + bytes, 0);
}
