/**
 * The run log of all nodes of a fleet. Lines are written here first, as where there is one node,
 * and sent from there: whatever keeps them from being sent, the next start sends them. Owners read
 * them in the order in which they came to the database.
 */
import type { DatabaseSync } from "node:sqlite";
import type { CidText } from "../../cid.ts";
import { RUN_LOG_BYTES_MAX, RUN_LOG_RUNS_MAX } from "../../limits.ts";
import { SHARED_LINES_AT_ONCE_BYTES_MAX } from "../../limits_of_logs.ts";
import { SERVER_LOG_BYTES_MAX, SERVER_LOGS_BYTES_MAX } from "../../limits_of_servers.ts";
import { AtOnce } from "../fleet/at_once.ts";
import type { Database } from "../fleet/database.ts";
import { LineBudget } from "./line_budget.ts";
import {
  type LoggedRun,
  type LogSink,
  parseEntries,
  parseRun,
  type RunLog,
  type RunLogPage,
  type RunReader,
} from "./run_log.ts";

export interface SharedRunsOptions {
  readonly database: Database;
  /** This node, which no other is called as. */
  readonly node: string;
  /** The file that the run log is in. */
  readonly file: DatabaseSync;
  readonly runLog: RunLog;
  /** Lines wait: they could not be sent. */
  onTrouble?(error: unknown): void;
  /** So many were sent without what programs wrote, of which there was too much. */
  onShortened?(lines: number): void;
}

/** Lines that are sent with a statement, and such statements to a round. */
const SENT_AT_ONCE = 64;
const SENT_TIMES = 256;

const MOST = JSON.stringify({
  runs: RUN_LOG_RUNS_MAX,
  server: SERVER_LOG_BYTES_MAX,
  allRuns: RUN_LOG_BYTES_MAX,
  allServers: SERVER_LOGS_BYTES_MAX,
});

/** A cursor from before the database was made anew begins anew. */
const READ = `
  SELECT h.number AS newest, r.number, r.of_server, r.line FROM run_head h
  LEFT JOIN LATERAL (
    SELECT number, of_server, line FROM runs
    WHERE cid = $1 AND number > CASE WHEN $2 > h.number THEN 0 ELSE $2 END
  ) r ON true ORDER BY r.number
`;
const LAST = `
  SELECT cid, (
    SELECT line FROM runs r WHERE r.cid = c.cid AND NOT of_server ORDER BY before DESC LIMIT 1
  ) AS line FROM jsonb_array_elements_text($1::text::jsonb) AS c(cid)
`;
/** Of followed deployments those with a line after a number, and the last number that there is. */
const NEWS = `
  SELECT h.number AS newest, c.cid FROM run_head h
  LEFT JOIN LATERAL jsonb_array_elements_text($1::text::jsonb) AS c(cid)
    ON EXISTS (SELECT FROM runs r WHERE r.cid = c.cid AND r.number > $2)
`;

interface LineRow {
  readonly newest: string;
  readonly number: string | null;
  readonly of_server: boolean;
  readonly line: string;
}

export class SharedRuns implements LogSink, RunReader {
  readonly followers: RunLog["followers"];
  readonly #sending = new AtOnce(() => this.#send());
  readonly #origin: string;
  /** The last line of this node that was sent. */
  #sentUpTo = 0;
  #budget = new LineBudget(0);
  /** The last lines that there were at the last two beats. */
  #heard: readonly [before: number, last: number] = [0, 0];

  private constructor(private readonly options: SharedRunsOptions) {
    // Of a disk that was copied two nodes go on.
    this.#origin = `${options.node} ${originOf(options.file)}`;
    this.followers = options.runLog.followers;
  }

  /** @throws KhachapuriError `database_unavailable` */
  static async begin(options: SharedRunsOptions): Promise<SharedRuns> {
    const runs = new SharedRuns(options);
    const [known] = await options.database.ask<{ sent: string }>(
      "SELECT sent FROM run_origins WHERE origin = $1",
      [runs.#origin],
    );
    runs.#sentUpTo = Number(known?.sent ?? 0);
    runs.#budget = new LineBudget(options.runLog.newest);
    // Lines that the disk lost were sent: their numbers are given to no others.
    options.runLog.beginAfter(runs.#sentUpTo);
    options.runLog.whenWritten(() => runs.#sendSoon());
    runs.#sendSoon();
    return runs;
  }

  add(cid: CidText, run: LoggedRun): void {
    this.options.runLog.add(cid, run);
  }

  addServerEntry(...entry: Parameters<LogSink["addServerEntry"]>): void {
    this.options.runLog.addServerEntry(...entry);
  }

  /**
   * A deployment's runs at all nodes, and what its servers wrote; @see RunLog
   * @throws KhachapuriError `database_unavailable`
   */
  async read(cid: CidText, after = 0): Promise<RunLogPage> {
    await this.#sendAll();
    const rows = await this.options.database.ask<LineRow>(READ, [cid, String(after)]);
    const lines = rows.filter(({ number }) => number !== null);
    const from = after > Number(rows[0]!.newest) ? 0 : after;
    return {
      runs: lines.filter(({ of_server }) => !of_server).map(({ line }) => parseRun(line)),
      server: lines.filter(({ of_server }) => of_server).flatMap(({ line }) => parseEntries(line)),
      cursor: Math.max(from, Number(lines.at(-1)?.number ?? 0)),
    };
  }

  /** @throws KhachapuriError `database_unavailable` */
  async lastOf(cids: readonly CidText[]): Promise<ReadonlyMap<CidText, LoggedRun>> {
    await this.#sendAll();
    const rows = await this.options.database.ask<{ cid: CidText; line: string | null }>(LAST, [
      JSON.stringify(cids),
    ]);
    return new Map(rows.flatMap(({ cid, line }) => line === null ? [] : [[cid, parseRun(line)]]));
  }

  /**
   * Beside each beat: sends what waits, or much of it, and wakes who follows what came elsewhere.
   * @throws KhachapuriError `database_unavailable`
   */
  async beat(): Promise<void> {
    await this.#sending.do();
    const followed = this.followers.followed();
    // Who began to follow between two beats may have read before the last.
    const [since] = this.#heard;
    const rows = await this.options.database.ask<{ newest: string; cid: CidText | null }>(NEWS, [
      JSON.stringify(followed),
      String(since),
    ]);
    this.#heard = [this.#heard[1], Number(rows[0]!.newest)];
    for (const { cid } of rows) if (cid !== null) this.followers.wake(cid);
  }

  /** With what was not written yet. */
  async #sendAll(): Promise<void> {
    this.options.runLog.flush();
    await this.#sending.do();
  }

  #sendSoon(): void {
    this.#sending.do().catch((error) => this.options.onTrouble?.(error));
  }

  /** What is written meanwhile waits for the next round: it may come as fast as it is sent. */
  async #send(): Promise<void> {
    const { runLog, onShortened } = this.options;
    const upTo = runLog.newest;
    for (let times = 0; times < SENT_TIMES && this.#sentUpTo < upTo; times++) {
      if (!await this.#sendSome()) break;
    }
    const shortened = this.#budget.takeShortened();
    if (shortened > 0) onShortened?.(shortened);
  }

  /** @returns whether there was any that may go now */
  async #sendSome(): Promise<boolean> {
    const { runLog, database } = this.options;
    const from = this.#sentUpTo;
    const lines = runLog.linesAfter(from, SENT_AT_ONCE, SHARED_LINES_AT_ONCE_BYTES_MAX);
    const taken = this.#budget.take(lines);
    if (taken === null) return false;
    const { sent, upTo } = taken;
    const rows = sent.map(({ number, cid, isServers, text }) => [number, cid, isServers, text]);
    if (rows.length > 0) {
      await database.ask("SELECT log_runs_1($1, $2::text::jsonb, $3::text::jsonb)", [
        this.#origin,
        JSON.stringify(rows),
        MOST,
      ]);
    }
    this.#sentUpTo = upTo;
    return true;
  }
}

/** By which the fleet knows the lines of a file from those of others. */
function originOf(file: DatabaseSync): string {
  file.exec("CREATE TABLE IF NOT EXISTS runOrigin (origin TEXT NOT NULL) STRICT");
  const known = file.prepare("SELECT origin FROM runOrigin").get();
  if (known) return known.origin as string;
  const origin = crypto.randomUUID();
  file.prepare("INSERT INTO runOrigin VALUES (?)").run(origin);
  return origin;
}
