/**
 * What the provider keeps about deployments across restarts: which exist, whose they are, which
 * their owner has stopped, and the latest runs of each for the owner's log. Never a secret of a
 * spec.
 */
import { Buffer } from "node:buffer";
import { DatabaseSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import { deploymentLane } from "../../permit.ts";
import type { Spec } from "../../spec/schema.ts";
import type { Deployment } from "./deployments.ts";

/** One run, as its owner may read it. */
export interface RunLog {
  at: number;
  /** Path and query are the caller's; only the method is kept. */
  method: string;
  status: number;
  exit: number | null;
  signal: string | null;
  limit: string | null;
  wallMs: number;
  /** User and system time; null where it could not be measured, as for the memory. */
  cpuMs: number | null;
  peakMemoryBytes: number | null;
  stdinBytes: number;
  stdoutBytes: number;
  stderrBytes: number;
  /** The beginning of what it wrote there. */
  stderr: string;
}

export interface Registration {
  cid: string;
  id: Hex;
  firstSeen: number;
  stopped: boolean;
}

export interface Registrations {
  /** Remembers a deployment that somebody has paid for; what costs nothing leaves no trace. */
  add(deployment: Deployment): void;
  /** Whether somebody has paid for a call to `cid`. */
  isKnown(cid: string): boolean;
  /** Whether a payer's lane is one that a deployment of its own counts on. */
  isDeploymentLane(payer: Address, lane: Hex): boolean;
  isStopped(spec: Spec): boolean;
  /** Durable when it returns; calls from then on get `stopped`. */
  stop(spec: Spec): void;
  ofOwner(owner: Address): Registration[];
  log(cid: string, run: RunLog): void;
  logs(cid: string): RunLog[];
  close(): void;
}

/** Runs kept for each deployment. */
const RUNS_PER_DEPLOYMENT_MAX = 100;
/** Bytes of all runs together: a credit buys no disk for ever. Beyond it the oldest go. */
const RUNS_BYTES_MAX = 1024 * 1024 * 1024;
/** Deployments known to be on disk already. */
const ADDED_MAX = 100_000;
/** Runs share a commit; a crash loses the lines of so long, ms, so many, or so much stderr. */
const LOG_MS = 1_000;
const LOG_RUNS = 256;
const LOG_STDERR_BYTES = 64 * 1024;
/** Runs dropped at a time when all together are too many. */
const DROPPED_RUNS = 64;

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS deployments (
    cid TEXT PRIMARY KEY, id TEXT NOT NULL, owner TEXT NOT NULL, firstSeen INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS deployments_by_owner ON deployments (owner);
  CREATE TABLE IF NOT EXISTS stops (
    owner TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (owner, id)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS runs (cid TEXT NOT NULL, run TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS runs_by_cid ON runs (cid);
`;

export interface RegistrationsOptions {
  now?: () => number;
  /** Kept of the logs of all runs, bytes. */
  runsBytesMax?: number;
  /** Told when log lines could not be written: no call fails for that. */
  lost?: (error: unknown) => void;
}

/** Opens (or creates) the provider's registrations at `path`. */
export function openRegistrations(
  path: string,
  { now = Date.now, runsBytesMax = RUNS_BYTES_MAX, lost = () => {} }: RegistrationsOptions = {},
): Registrations {
  const database = new DatabaseSync(path);
  database.exec(SCHEMA);
  const stops = new Set<string>();
  for (const { owner, id } of database.prepare("SELECT owner, id FROM stops").all()) {
    stops.add(`${owner}:${id}`);
  }
  const lanes = new Set<string>();
  for (const { owner, id } of database.prepare("SELECT owner, id FROM deployments").all()) {
    lanes.add(`${owner}:${deploymentLane(id as Hex)}`);
  }
  const runs = createRunLog(database, runsBytesMax, lost);
  const added = new Set<string>();
  const insert = database.prepare("INSERT OR IGNORE INTO deployments VALUES (?, ?, ?, ?)");
  const find = database.prepare("SELECT 1 FROM deployments WHERE cid = ?");
  return {
    add({ cid, spec }) {
      if (added.has(cid)) return;
      if (added.size >= ADDED_MAX) added.clear();
      added.add(cid);
      insert.run(cid, spec.id, spec.owner, now());
      lanes.add(`${spec.owner}:${deploymentLane(spec.id)}`);
    },
    isKnown: (cid) => added.has(cid) || find.get(cid) !== undefined,
    isDeploymentLane: (payer, lane) => lanes.has(`${payer}:${lane}`),
    // An id is its owner's word only: keyed by both, nobody can stop another's deployment.
    isStopped: (spec) => stops.has(`${spec.owner}:${spec.id}`),
    stop(spec) {
      // The rest of this file may lose its last moments with the power; a stop may not.
      database.exec("PRAGMA synchronous = FULL");
      database.prepare("INSERT OR IGNORE INTO stops VALUES (?, ?, ?)")
        .run(spec.owner, spec.id, now());
      database.exec("PRAGMA synchronous = NORMAL");
      stops.add(`${spec.owner}:${spec.id}`);
    },
    ofOwner(owner) {
      const rows = database.prepare(
        "SELECT cid, id, firstSeen FROM deployments WHERE owner = ? ORDER BY firstSeen",
      ).all(owner) as unknown as Omit<Registration, "stopped">[];
      return rows.map((row) => ({ ...row, stopped: stops.has(`${owner}:${row.id}`) }));
    },
    log: runs.add,
    logs: runs.read,
    close() {
      runs.close();
      database.close();
    },
  };
}

/** Logs are for reading, not for money: batched, so that they never cost a call its own fsync. */
function createRunLog(
  database: DatabaseSync,
  bytesMax: number,
  lost: (error: unknown) => void,
) {
  /** By deployment, no more than are kept: of a busy one only the latest are ever written. */
  let waiting = new Map<string, RunLog[]>();
  let [count, stderrBytes] = [0, 0];
  let timer: ReturnType<typeof setTimeout> | null = null;
  const insert = database.prepare("INSERT INTO runs VALUES (?, ?)");
  const size = "OCTET_LENGTH(run) AS bytes";
  const trim = database.prepare(
    `DELETE FROM runs WHERE cid = ?1 AND rowid <= (
       SELECT rowid FROM runs WHERE cid = ?1 ORDER BY rowid DESC LIMIT 1 OFFSET ?2)
     RETURNING ${size}`,
  );
  const dropOldest = database.prepare(
    `DELETE FROM runs WHERE rowid IN (SELECT rowid FROM runs ORDER BY rowid LIMIT ${DROPPED_RUNS})
     RETURNING ${size}`,
  );
  const select = database.prepare("SELECT run FROM runs WHERE cid = ? ORDER BY rowid");

  const sum = (rows: unknown[]) =>
    (rows as { bytes: number }[]).reduce((total, row) => total + row.bytes, 0);
  let bytes = sum(database.prepare(`SELECT ${size} FROM runs`).all());

  function write(batch: ReadonlyMap<string, readonly RunLog[]>): void {
    for (const [cid, runs] of batch) {
      for (const run of runs) {
        const text = JSON.stringify(run);
        insert.run(cid, text);
        bytes += Buffer.byteLength(text);
      }
      bytes -= sum(trim.all(cid, RUNS_PER_DEPLOYMENT_MAX));
    }
    for (let dropped = 1; bytes > bytesMax && dropped > 0;) {
      dropped = sum(dropOldest.all());
      bytes -= dropped;
    }
  }

  function flush(): void {
    if (waiting.size === 0) return;
    const [batch, before] = [waiting, bytes];
    waiting = new Map();
    [count, stderrBytes] = [0, 0];
    try {
      database.exec("BEGIN");
      write(batch);
      database.exec("COMMIT");
    } catch (error) {
      bytes = before;
      if (database.isTransaction) database.exec("ROLLBACK");
      lost(error);
    }
  }

  /** Left to fire; it keeps no process alive. */
  function flushSoon(): void {
    timer ??= setTimeout(() => {
      timer = null;
      flush();
    }, LOG_MS);
    Deno.unrefTimer(timer);
  }

  return {
    close(): void {
      if (timer !== null) clearTimeout(timer);
      flush();
    },
    add(cid: string, run: RunLog): void {
      const runs = waiting.get(cid) ?? [];
      waiting.set(cid, runs);
      if (runs.length === RUNS_PER_DEPLOYMENT_MAX) runs.shift();
      else count += 1;
      runs.push(run);
      stderrBytes += run.stderr.length;
      if (count >= LOG_RUNS || stderrBytes > LOG_STDERR_BYTES) flush();
      else if (timer === null) flushSoon();
    },
    read(cid: string): RunLog[] {
      flush();
      return select.all(cid).map((row) => JSON.parse(row.run as string));
    },
  };
}
