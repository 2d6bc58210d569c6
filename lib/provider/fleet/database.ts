/**
 * The fleet's PostgreSQL. All that is asked of it is single statements, each of which may be sent
 * again: after a lost connection nobody knows whether the last one was carried out, and whoever
 * wrote it has seen to it that the second time changes nothing (turns have numbers, rows have
 * keys).
 * No statement has a time limit in the database: one that is cancelled while it waits for a standby
 * shows what a failover would lose (patroni#1412).
 */
import type { Sql } from "postgres";
import { KhachapuriError } from "../../errors.ts";
import { fileError } from "../../files.ts";
import { pause } from "../../pause.ts";
import { type DatabaseAddress, describeAddress } from "./address.ts";
import { readPassword } from "./passfile.ts";

/** What a statement is given for `$1`, `$2`, …; numbers of 64 bits as text. */
export type Parameter = string | number | boolean | null | Uint8Array;

export interface AskOptions {
  /** How long the database may be away before `database_unavailable`, ms. */
  patienceMs?: number;
  /** A long look, whose answer may take its time. */
  isLong?: boolean;
}

export interface Database {
  /** Where it is, for logs. */
  readonly name: string;
  /**
   * Carries out one statement, again where the connection is lost meanwhile.
   * @throws KhachapuriError `database_unavailable` when it stays away; Error for what it refuses
   */
  ask<Row>(
    statement: string,
    parameters?: readonly Parameter[],
    options?: AskOptions,
  ): Promise<Row[]>;
  /** Several statements without parameters, all or none. */
  script(statements: string): Promise<void>;
  /** Why it was away when it was last asked; null: it answered. */
  trouble(): string | null;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** Statements at a time. */
  connections?: number;
  /** Of PGPASSFILE; asked where the address names no file. */
  passfile?: string | undefined;
}

const CONNECTIONS = 4;
/** An answer that takes longer will not come: the network has dropped the connection, ms. */
const SILENCE_MS = 3_000;
const CONNECT_SECONDS = 3;
/** As long as a run's charge is waited for, ms. */
export const PATIENCE_MS = 5_000;
/** Between two tries, ms; the first comes at once. */
const PAUSES_MS = [0, 20, 50, 100, 200] as const;

/**
 * Reads what the address names and connects when it is first asked.
 * @throws KhachapuriError `invalid_config`, `insecure_key_file`, `not_found` for its files
 */
export async function openDatabase(
  address: DatabaseAddress,
  { connections = CONNECTIONS, passfile }: DatabaseOptions = {},
): Promise<Database> {
  // Who has no fleet does not load it.
  const { default: postgres } = await import("postgres");
  const path = address.passfile ?? passfile ?? null;
  const password = path === null ? "" : await readPassword(path, address);
  const tls = address.tls === null ? false : await tlsOptions(address.tls.ca);
  const { hosts, user, database } = address;
  const connect = () =>
    postgres(
      {
        host: hosts.map(({ host }) => host.replace(/^\[|\]$/g, "")),
        port: hosts.map(({ port }) => port),
        user,
        database,
        pass: password,
        ssl: tls,
        sslnegotiation: null,
        max: connections,
        idle_timeout: 0,
        connect_timeout: CONNECT_SECONDS,
        max_lifetime: null,
        max_pipeline: 1,
        backoff: () => 0,
        keep_alive: 10,
        prepare: true,
        debug: false,
        fetch_types: false,
        publications: "alltables",
        target_session_attrs: "read-write",
        onnotice: () => {},
        connection: {
          application_name: "khachapuri",
          search_path: "khachapuri",
          // A plan that is made once takes half of what one for each turn takes.
          plan_cache_mode: "force_generic_plan",
          statement_timeout: 0,
          default_transaction_isolation: "read committed",
        },
      } as unknown as Parameters<typeof postgres>[0],
    );
  return new PostgresDatabase(describeAddress(address), connect);
}

async function tlsOptions(ca: string | null): Promise<{ ca?: string; rejectUnauthorized: true }> {
  if (ca === null) return { rejectUnauthorized: true };
  const text = await Deno.readTextFile(ca).catch(async (error) => {
    throw await fileError(error, ca, "read");
  });
  return { ca: text, rejectUnauthorized: true };
}

class PostgresDatabase implements Database {
  #sql: Sql;
  #trouble: string | null = null;
  #isClosed = false;
  /** When each statement that is under way was sent, ms; none of the long ones. */
  readonly #sentAt = new Set<{ readonly at: number; readonly sql: Sql }>();
  #watch: ReturnType<typeof setInterval> | null = null;

  constructor(readonly name: string, private readonly connect: () => Sql) {
    this.#sql = connect();
  }

  async ask<Row>(
    statement: string,
    parameters: readonly Parameter[] = [],
    { patienceMs = PATIENCE_MS, isLong = false }: AskOptions = {},
  ): Promise<Row[]> {
    const until = performance.now() + patienceMs;
    for (let tries = 0;; tries++) {
      try {
        const rows = await this.#send<Row>(statement, parameters, isLong);
        this.#trouble = null;
        return rows;
      } catch (error) {
        if (!isLost(error) || this.#isClosed) throw error;
        this.#trouble = reasonOf(error);
        if (performance.now() >= until) throw unavailable(this.name, error);
        await pause(PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)]!);
      }
    }
  }

  async script(statements: string): Promise<void> {
    await this.#sql.unsafe(statements).simple();
  }

  trouble(): string | null {
    return this.#trouble;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#watch !== null) clearInterval(this.#watch);
    await this.#sql.end({ timeout: 1 });
  }

  async #send<Row>(
    statement: string,
    parameters: readonly Parameter[],
    isLong: boolean,
  ): Promise<Row[]> {
    const sent = { at: performance.now(), sql: this.#sql };
    if (!isLong) this.#note(sent);
    try {
      const values = parameters as Parameters<Sql["unsafe"]>[1];
      return await this.#sql.unsafe(statement, values, { prepare: true }) as unknown as Row[];
    } finally {
      this.#sentAt.delete(sent);
    }
  }

  #note(sent: { readonly at: number; readonly sql: Sql }): void {
    this.#sentAt.add(sent);
    if (this.#watch !== null) return;
    this.#watch = setInterval(() => this.#lookForSilence(), SILENCE_MS / 4);
    Deno.unrefTimer(this.#watch as unknown as number);
  }

  /** A half-open connection would be silent for a quarter of an hour: all begin anew. */
  #lookForSilence(): void {
    const oldest = performance.now() - SILENCE_MS;
    const isSilent = [...this.#sentAt].some(({ at, sql }) => at < oldest && sql === this.#sql);
    if (!isSilent || this.#isClosed) return;
    const silent = this.#sql;
    this.#sql = this.connect();
    silent.end({ timeout: 0 }).catch(() => {});
  }
}

/** Of connections, as the client names them. */
const LOST_CODES: ReadonlySet<string> = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "CONNECTION_CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
]);
/**
 * Of the server: it ends or begins (57P01 to 57P05), takes no writes any more (25006), has no room
 * for a connection (53300), would have two wait for each other (40P01, 40001), or the connection is
 * at fault (08…).
 */
const LOST_STATES = /^(?:57P0[1-5]|25006|53300|40P01|40001|08...)$/;

/** Whether it was the connection or the server that failed, and not the statement. */
export function isLost(error: unknown): boolean {
  const { code, errors } = Object(error) as { code?: unknown; errors?: unknown[] };
  if (Array.isArray(errors) && errors.length > 0) return errors.every(isLost);
  return typeof code === "string" && (LOST_CODES.has(code) || LOST_STATES.test(code));
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function unavailable(name: string, cause: unknown): KhachapuriError {
  return new KhachapuriError("database_unavailable", `PostgreSQL at ${name} does not answer`, {
    cause,
    retryAfterSeconds: 1,
    hints: ["nothing was charged; khachapuri fleet says how it is"],
  });
}
