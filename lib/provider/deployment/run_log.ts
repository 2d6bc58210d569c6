/**
 * The latest runs of each deployment and what its server wrote, for its owner to read. Logs are no
 * money: what comes shares a write, so that no call waits for an fsync, and what cannot be written
 * is lost.
 */
import { Buffer } from "node:buffer";
import type { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import type { EgressRecord } from "../../../sandbox/egress_tally.ts";
import type { CidText } from "../../cid.ts";
import { inTransaction } from "../../transaction.ts";
import { RUN_LOG_BYTES_MAX, RUN_LOG_RUNS_MAX } from "../../limits.ts";
import { DEPLOYMENTS_REMEMBERED_MAX } from "../../limits_of_books.ts";
import {
  SERVER_LOG_BYTES_MAX,
  SERVER_LOGS_BYTES_MAX,
  SERVER_LOGS_REMEMBERED_MAX,
} from "../../limits_of_servers.ts";
import { Lru } from "../../lru.ts";
import { LogFollowers } from "./log_followers.ts";
import { LogRows, type OwnedRow } from "./log_rows.ts";
import type { ServerEntry } from "./server_entries.ts";

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
  /** What the deployment's server wrote, and what became of its instances; oldest first. */
  server: ServerEntry[];
  /** Of the last that was read, in the order in which all of it was written. */
  cursor: number;
}

/** A line as it is written, of whatever deployment. */
export interface LogLine extends OwnedRow {
  readonly isServers: boolean;
}

/** The log as owners read it. */
export interface RunReader {
  readonly followers: Pick<LogFollowers, "follow" | "close">;
  read(cid: CidText, after?: number): RunLogPage | Promise<RunLogPage>;
  /** The latest run of each deployment that has one. */
  lastOf(
    cids: readonly CidText[],
  ): ReadonlyMap<CidText, LoggedRun> | Promise<ReadonlyMap<CidText, LoggedRun>>;
}

/** Where lines go. */
export type LogSink = Pick<RunLog, "add" | "addServerEntry">;

export interface RunLogOptions {
  /** Kept of the runs of all deployments, bytes; beyond it the oldest go. */
  runsBytesMax?: number;
  /** Kept of what all servers wrote. */
  serversBytesMax?: number;
  /** Told when log lines could not be written: no call fails for that. */
  lost?: (error: unknown) => void;
}

/** A crash loses what came in so long, ms, so many runs, or so many characters. */
const WRITE_WITHIN_MS = 1_000;
/** Where somebody waits for it. */
const FOLLOWED_WITHIN_MS = 100;
/** Of a busy deployment no more wait than are kept, so that five of them fill it. */
const WRITE_RUNS = 512;
const WRITE_STDERR_CHARACTERS = 256 * 1024;
/** At three bytes a character in the worst case a write fits into what is kept of one server. */
const WRITE_SERVER_CHARACTERS = 256 * 1024;
/** A server's log is cut after so much more of it: cutting reads what is kept. */
const CUT_AFTER_BYTES = SERVER_LOG_BYTES_MAX / 8;
/** And a deployment's runs after so many more: cutting reads as many as are kept. */
const CUT_AFTER_RUNS = RUN_LOG_RUNS_MAX / 4;
/** Deployments whose lines are written together; between two such slices calls go on. */
const SLICE_DEPLOYMENTS = 16;

/** What waits to be written. */
interface Batch {
  /** By deployment, no more than are kept: of a busy one only the latest are ever written. */
  readonly runs: Map<CidText, LoggedRun[]>;
  runCount: number;
  stderrCharacters: number;
  /** Entries of servers as JSON, by deployment. */
  readonly entries: Map<CidText, string[]>;
  entryCharacters: number;
}

/** The lines of some deployments of a batch, which has them no more. */
function takeSlice(batch: Batch): Pick<Batch, "runs" | "entries"> {
  const take = <Lines>(from: Map<CidText, Lines>): Map<CidText, Lines> => {
    const some = new Map([...from.entries().take(SLICE_DEPLOYMENTS)]);
    for (const cid of some.keys()) from.delete(cid);
    return some;
  };
  return { runs: take(batch.runs), entries: take(batch.entries) };
}

const isEmpty = ({ runs, entries }: Pick<Batch, "runs" | "entries">): boolean =>
  runs.size === 0 && entries.size === 0;

const emptyBatch = (): Batch => ({
  runs: new Map(),
  runCount: 0,
  stderrCharacters: 0,
  entries: new Map(),
  entryCharacters: 0,
});

export class RunLog implements RunReader {
  readonly followers = new LogFollowers();
  readonly #database: DatabaseSync;
  readonly #lost: (error: unknown) => void;
  readonly #runs: LogRows;
  /** What servers wrote; a row is what one of them wrote between two writes of ours. */
  readonly #entries: LogRows;
  /** Bytes of a server that were written since its log was cut. */
  readonly #uncut = new Lru<CidText, number>(SERVER_LOGS_REMEMBERED_MAX);
  #waiting = emptyBatch();
  /** What is being written, in slices. */
  #leaving: Batch | null = null;
  /** Runs of a deployment that were written since its log was cut; undefined: it may be long. */
  readonly #uncutRuns = new Lru<CidText, number>(DEPLOYMENTS_REMEMBERED_MAX);
  /** Another process writes the log. */
  #sink: LogSink | null = null;
  #onWritten: () => void = () => {};
  /** The number of the last row of either table. */
  #newest: number;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** Whether somebody waits for what the timer writes. */
  #isHurrying = false;

  constructor(database: DatabaseSync, options: RunLogOptions = {}) {
    const { runsBytesMax = RUN_LOG_BYTES_MAX, serversBytesMax = SERVER_LOGS_BYTES_MAX } = options;
    this.#database = database;
    this.#lost = options.lost ?? (() => {});
    this.#runs = new LogRows(database, { name: "runs", column: "run" }, runsBytesMax);
    const servers = { name: "servers", column: "entries" };
    this.#entries = new LogRows(database, servers, serversBytesMax);
    this.#newest = Math.max(this.#runs.newest(), this.#entries.newest());
  }

  /** What waits is written; what comes from now on goes to who numbers the lines now. */
  handOver(sink: LogSink): void {
    this.close();
    this.#sink = sink;
  }

  add(cid: CidText, run: LoggedRun): void {
    if (this.#sink) return this.#sink.add(cid, run);
    const batch = this.#waiting;
    const runs = batch.runs.get(cid) ?? [];
    batch.runs.set(cid, runs);
    if (runs.length === RUN_LOG_RUNS_MAX) {
      batch.stderrCharacters -= runs.shift()!.stderr.length;
    } else batch.runCount += 1;
    runs.push(run);
    batch.stderrCharacters += run.stderr.length;
    const { runCount, stderrCharacters } = batch;
    this.#soon(cid, runCount >= WRITE_RUNS || stderrCharacters > WRITE_STDERR_CHARACTERS);
  }

  /** Adds what a deployment's server wrote, or what became of an instance. */
  addServerEntry(cid: CidText, entry: ServerEntry): void {
    if (this.#sink) return this.#sink.addServerEntry(cid, entry);
    const batch = this.#waiting;
    const entries = batch.entries.get(cid) ?? [];
    batch.entries.set(cid, entries);
    const text = JSON.stringify(entry);
    entries.push(text);
    batch.entryCharacters += text.length;
    this.#soon(cid, batch.entryCharacters > WRITE_SERVER_CHARACTERS);
  }

  /**
   * A deployment's runs, and what its server wrote.
   * @param after the cursor of an earlier page, whose content is left out; 0: from the beginning
   */
  read(cid: CidText, after = 0): RunLogPage {
    this.flush();
    // A cursor from before the records were lost.
    const from = after > this.#newest ? 0 : after;
    const runs = this.#runs.after(cid, from).slice(-RUN_LOG_RUNS_MAX);
    const entries = this.#entries.after(cid, from);
    return {
      runs: runs.map(({ text }) => parseRun(text)),
      server: entries.flatMap(({ text }) => parseEntries(text)),
      cursor: Math.max(from, runs.at(-1)?.number ?? 0, entries.at(-1)?.number ?? 0),
    };
  }

  /** A deployment's latest run; null: none is kept. */
  last(cid: CidText): LoggedRun | null {
    const [waiting, leaving] = [this.#waiting, this.#leaving].map((each) => each?.runs.get(cid));
    const unwritten = (waiting ?? leaving)?.at(-1);
    if (unwritten) return unwritten;
    const text = this.#runs.last(cid);
    return text === null ? null : parseRun(text);
  }

  lastOf(cids: readonly CidText[]): ReadonlyMap<CidText, LoggedRun> {
    const found = cids.map((cid) => [cid, this.last(cid)] as const);
    return new Map(found.filter((entry): entry is [CidText, LoggedRun] => entry[1] !== null));
  }

  /**
   * The first lines after one, of those that are written; from 0: of all. So many, and no more once
   * they have so many bytes.
   */
  linesAfter(number: number, most: number, bytesMost: number): LogLine[] {
    const of = (rows: LogRows, isServers: boolean) =>
      rows.allAfter(number, most, bytesMost).map((row) => ({ ...row, isServers }));
    const lines = [...of(this.#runs, false), ...of(this.#entries, true)];
    lines.sort((one, other) => one.number - other.number);
    let bytes = 0;
    const isBeyond = ({ text }: LogLine) => (bytes += Buffer.byteLength(text)) >= bytesMost;
    const last = lines.findIndex(isBeyond);
    return lines.slice(0, last < 0 ? most : Math.min(most, last + 1));
  }

  /** The number of the last line that is written. */
  get newest(): number {
    return this.#newest;
  }

  /** No line that comes has this number, or one before it. */
  beginAfter(number: number): void {
    this.#newest = Math.max(this.#newest, number);
  }

  /** Tells whenever lines were written. */
  whenWritten(tell: () => void): void {
    this.#onWritten = tell;
  }

  close(): void {
    this.followers.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.flush();
  }

  #soon(cid: CidText, isMuch: boolean): void {
    if (isMuch) return this.#begin();
    const isAwaited = this.followers.isFollowed(cid);
    if (this.#timer !== null && (this.#isHurrying || !isAwaited)) return;
    this.#isHurrying = isAwaited;
    this.#flushIn(isAwaited ? FOLLOWED_WITHIN_MS : WRITE_WITHIN_MS);
  }

  /** The timer is left to fire where nobody is in a hurry, and keeps no process alive. */
  #flushIn(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#begin();
    }, ms);
    Deno.unrefTimer(this.#timer);
  }

  /** Begins to write what waits. */
  #begin(): void {
    // It comes faster than it is written: what there is of memory is not for lines.
    if (this.#leaving) return this.flush();
    this.#leaving = this.#waiting;
    this.#waiting = emptyBatch();
    this.#goOn();
  }

  #goOn(): void {
    if (this.#leaving === null) return;
    this.#write(takeSlice(this.#leaving));
    if (isEmpty(this.#leaving)) this.#leaving = null;
    else setImmediate(() => this.#goOn());
  }

  /** Writes all that waits, at once. */
  flush(): void {
    const batches = [this.#leaving, this.#waiting];
    this.#leaving = null;
    this.#waiting = emptyBatch();
    for (const batch of batches) if (batch) this.#write(batch);
  }

  #write(batch: Pick<Batch, "runs" | "entries">): void {
    if (isEmpty(batch)) return;
    try {
      inTransaction(this.#database, () => {
        this.#writeRuns(batch.runs);
        this.#writeEntries(batch.entries);
      });
      for (const cid of [...batch.runs.keys(), ...batch.entries.keys()]) this.followers.wake(cid);
      this.#onWritten();
    } catch (error) {
      this.#lost(error);
    }
  }

  #writeRuns(batch: Batch["runs"]): void {
    for (const [cid, runs] of batch) {
      for (const run of runs) this.#runs.add(++this.#newest, cid, JSON.stringify(run));
      const uncut = (this.#uncutRuns.peek(cid) ?? CUT_AFTER_RUNS) + runs.length;
      const isLong = uncut > CUT_AFTER_RUNS;
      if (isLong) this.#runs.trimToCount(cid, RUN_LOG_RUNS_MAX);
      this.#uncutRuns.set(cid, isLong ? 0 : uncut);
      this.#runs.makeRoom();
    }
  }

  #writeEntries(batch: Batch["entries"]): void {
    for (const [cid, entries] of batch) {
      const bytes = this.#entries.add(++this.#newest, cid, `[${entries.join()}]`);
      const uncut = (this.#uncut.peek(cid) ?? 0) + bytes;
      const isLong = uncut > CUT_AFTER_BYTES;
      if (isLong) this.#entries.trimToBytes(cid, SERVER_LOG_BYTES_MAX);
      this.#uncut.set(cid, isLong ? 0 : uncut);
      this.#entries.makeRoom();
    }
  }
}

/** What older versions did not keep is null. */
export function parseRun(text: string): LoggedRun {
  return { path: null, egress: null, ...JSON.parse(text) };
}

/** A row of what a server wrote. */
export function parseEntries(text: string): ServerEntry[] {
  return JSON.parse(text);
}
