/**
 * The fleet's PostgreSQL. All that is asked of it is single statements, each of which may be sent
 * again: after a lost connection nobody knows whether the last one was carried out, and whoever
 * wrote it has seen to it that the second time changes nothing (turns have numbers, rows have
 * keys).
 * No statement has a time limit in the database: one that is cancelled while it waits for a standby
 * shows what a failover would lose (patroni#1412). Who asked is told when it takes too long, and it
 * goes on.
 */
import type { KhachapuriError } from "../../errors.ts";
import { fileError } from "../../files.ts";
import { pause } from "../../pause.ts";
import { type DatabaseAddress, describeAddress } from "../../postgres_address.ts";
import { Connection, type Login, type Parameter } from "./connection.ts";
import { readPassword } from "./passfile.ts";
import { isLost, refusalOf, unanswered, unavailable } from "./trouble.ts";

export type { Parameter } from "./connection.ts";

export interface AskOptions {
  /** Until `database_unavailable`, ms; Infinity: until it is closed. */
  patienceMs?: number;
  /** A long look: its answer may take its time, and only a loss after that is the end of it. */
  isLong?: boolean;
  /** It waits for no other statement but such ones: they have connections to themselves. */
  isUrgent?: boolean;
}

export interface Database {
  /** Where it is, for logs. */
  readonly name: string;
  /**
   * Carries out one statement, again where the connection is lost meanwhile. It may be carried out
   * still, or once more, after `database_unavailable`.
   * @throws KhachapuriError `database_unavailable` without an answer in time, `invalid_config` and
   *   those of `openDatabase` where it never had one; Error for what the statement did wrong
   */
  ask<Row>(
    statement: string,
    parameters?: readonly Parameter[],
    options?: AskOptions,
  ): Promise<Row[]>;
  /**
   * Several statements without parameters, all or none. They are sent once.
   * @throws as `ask`
   */
  script(statements: string): Promise<void>;
  /** Why it was away when it was last asked; null: it answered. */
  trouble(): string | null;
  /** Ends what waits, and what is under way unless it ends within a second by itself. */
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** Statements at a time; more where something is urgent. */
  connections?: number;
  /** Of PGPASSFILE; asked where the address names no file. */
  passfile?: string | undefined;
}

/**
 * Each carries one statement at a time; what is urgent has others. With two on the way every
 * second one waits for the first: turns at a millisecond's distance took twice as long at most, and
 * no more of them got done.
 */
const CONNECTIONS = 4;
/** For a session's beats and a leader's, neither of which waits for the other. */
const URGENT_CONNECTIONS = 2;
/** As long as a run's charge is waited for, ms. */
export const PATIENCE_MS = 5_000;
/** Between two tries, ms; the first comes at once. */
const PAUSES_MS = [0, 20, 50, 100, 200] as const;
/** For what is under way when it is closed, ms. */
const FAREWELL_MS = 1_000;
const CLOSED = "the database is closed";

/**
 * Reads what the address names and connects when it is first asked.
 * @throws KhachapuriError `invalid_config`, `insecure_key_file`, `not_found` for its files
 */
export async function openDatabase(
  address: DatabaseAddress,
  { connections = CONNECTIONS, passfile }: DatabaseOptions = {},
): Promise<Database> {
  // Each connection reads them anew: passwords and authorities change while a node runs.
  const login = () => readLogin(address, passfile ?? null);
  await login();
  return new FleetDatabase(address, login, connections);
}

async function readLogin(
  { hosts, user, database, tls, passfile }: DatabaseAddress,
  otherwise: string | null,
): Promise<Login> {
  const path = passfile ?? otherwise;
  const password = path === null ? "" : await readPassword(path, { hosts, user, database });
  return { user, database, password, ca: tls === null ? null : await readAuthorities(tls.ca) };
}

async function readAuthorities(path: string | null): Promise<string> {
  if (path === null) return "";
  return await Deno.readTextFile(path).catch(async (error) => {
    throw await fileError(error, path, "read");
  });
}

/** One statement, or a script where there are no parameters, and who waits for its answer. */
interface Errand {
  readonly statement: string;
  readonly parameters: readonly Parameter[] | null;
  /** On the clock of `performance`, ms. */
  readonly until: number;
  readonly resolve: (rows: unknown[]) => void;
  readonly reject: (error: unknown) => void;
  /** Nobody waits any more. */
  isOver: boolean;
}

/** What one connection after another does. */
interface Line {
  connection: Connection | null;
}

/** Lines, and what waits for one of them. */
interface Desk {
  /** Those that have nothing to do, the last to have had at the end. */
  readonly idle: Line[];
  readonly lines: readonly Line[];
  readonly waiting: Errand[];
}

class FleetDatabase implements Database {
  readonly name: string;
  readonly #usual: Desk;
  readonly #urgent = makeDesk(URGENT_CONNECTIONS);
  readonly #working = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  /** Of the host that took writes last, or is tried next. */
  #host = 0;
  #hasAnswered = false;
  #trouble: Error | null = null;

  constructor(
    private readonly address: DatabaseAddress,
    private readonly login: () => Promise<Login>,
    connections: number,
  ) {
    this.name = describeAddress(address);
    this.#usual = makeDesk(connections);
  }

  async ask<Row>(
    statement: string,
    parameters: readonly Parameter[] = [],
    options: AskOptions = {},
  ): Promise<Row[]> {
    return await this.#run(statement, parameters, options) as Row[];
  }

  async script(statements: string): Promise<void> {
    await this.#run(statements, null, { isLong: true });
  }

  trouble(): string | null {
    return this.#trouble?.message ?? null;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const desks = [this.#usual, this.#urgent];
    for (const { waiting } of desks) {
      for (const { reject } of waiting.splice(0)) reject(unavailable(CLOSED));
    }
    const farewell = new AbortController();
    await Promise.race([Promise.all(this.#working), pause(FAREWELL_MS, farewell.signal)]);
    farewell.abort();
    await Promise.all(desks.map(leave));
  }

  async #run(
    statement: string,
    parameters: readonly Parameter[] | null,
    { patienceMs = PATIENCE_MS, isLong = false, isUrgent = false }: AskOptions,
  ): Promise<unknown[]> {
    if (this.#closing.signal.aborted) throw unavailable(CLOSED);
    const { promise, resolve, reject } = Promise.withResolvers<unknown[]>();
    const until = performance.now() + patienceMs;
    const errand: Errand = { statement, parameters, until, resolve, reject, isOver: false };
    // A timer of a time without end is over at once.
    const isTimed = !isLong && Number.isFinite(patienceMs);
    const desk = isUrgent ? this.#urgent : this.#usual;
    const timer = isTimed ? setTimeout(() => this.#giveUp(errand, desk), patienceMs) : undefined;
    desk.waiting.push(errand);
    this.#start(desk);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** It may be on its way still, and goes on alone. */
  #giveUp(errand: Errand, { waiting }: Desk): void {
    errand.isOver = true;
    const place = waiting.indexOf(errand);
    if (place >= 0) waiting.splice(place, 1);
    this.#trouble ??= new Error("there was no answer in time");
    errand.reject(this.#unavailable(this.#trouble));
  }

  /** Gives what waits to who has nothing to do. */
  #start(desk: Desk): void {
    const { idle, waiting } = desk;
    while (idle.length > 0 && waiting.length > 0) {
      const line = idle.pop()!;
      const work = this.#carryOut(line, waiting.shift()!).then(() => {
        this.#working.delete(work);
        idle.push(line);
        this.#start(desk);
      });
      this.#working.add(work);
    }
  }

  async #carryOut(line: Line, errand: Errand): Promise<void> {
    for (let tries = 0; !errand.isOver; tries++) {
      const connection = this.#connect(line);
      try {
        const rows = await connection.send(errand.statement, errand.parameters);
        this.#hasAnswered = true;
        this.#trouble = null;
        return errand.resolve(rows);
      } catch (thrown) {
        const error = thrown as Error;
        const refusal = refusalOf(error, connection.name);
        if (refusal === null && !isLost(error)) return errand.reject(error);
        this.#leave(connection, error);
        if (refusal !== null && !this.#hasAnswered) return errand.reject(refusal);
        if (errand.parameters === null || performance.now() >= errand.until) {
          return errand.reject(this.#unavailable(error));
        }
        await pause(PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)]!, this.#closing.signal);
        if (this.#closing.signal.aborted) return errand.reject(unavailable(CLOSED));
      }
    }
  }

  #connect(line: Line): Connection {
    const { hosts } = this.address;
    if (line.connection === null || line.connection.isOver) {
      line.connection = new Connection(hosts[this.#host]!, this.login);
    }
    return line.connection;
  }

  /** Tries another host next, where this one takes no writes. */
  #leave(connection: Connection, error: Error): void {
    this.#trouble = error;
    connection.drop(error);
    const { hosts } = this.address;
    // Others have seen it before, perhaps, and try another already.
    if (connection.takesWrites || hosts[this.#host] !== connection.host) return;
    this.#host = (this.#host + 1) % hosts.length;
  }

  /** Whoever starts a node is told where the database is; the node's callers are not. */
  #unavailable(cause: Error): KhachapuriError {
    return this.#hasAnswered ? unavailable(undefined, cause) : unanswered(this.name, cause);
  }
}

function makeDesk(connections: number): Desk {
  const lines: Line[] = Array.from({ length: connections }, () => ({ connection: null }));
  return { idle: [...lines], lines, waiting: [] };
}

/** Takes leave where nothing is under way, and drops what is. */
async function leave({ idle, lines }: Desk): Promise<void> {
  await Promise.all(lines.map(async (line) => {
    if (idle.includes(line)) await line.connection?.end();
    else line.connection?.drop(unavailable(CLOSED));
  }));
}
