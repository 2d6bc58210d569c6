/**
 * One connection to a host of the fleet's PostgreSQL. It carries one statement at a time, and is
 * thrown away with its first loss: postgres.js 3.4.9 would connect anew by itself, but then gives
 * the next answer as many empty rows as were read of the one that broke off, has whoever asks first
 * fail with the last error, and tries without a pause where connections are taken and closed.
 * TLS is agreed on here, as it goes on without the server's yes there, and takes a certificate for
 * "localhost" for that of any IP address.
 */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { isIP, Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Sql } from "postgres";
import type { DatabaseAddress, DatabaseHost } from "../../postgres_address.ts";
import { isReadOnly, lossOf, LostConnection, withoutTls } from "./trouble.ts";

/** What a statement is given for `$1`, `$2`, …; numbers of 64 bits as text. */
export type Parameter = string | number | boolean | null | Uint8Array;

/** Who comes, and whom is trusted. */
export interface Login extends Pick<DatabaseAddress, "user" | "database"> {
  readonly password: string;
  /** The authorities' certificates, PEM; "": those of the system; null: without TLS. */
  readonly ca: string | null;
}

/** A statement as the client knows it. */
type Sent = PromiseLike<unknown[]> & { readonly state?: { readonly pid: number | null } | null };

/** Without a byte for so long something may be wrong, ms. */
const SILENCE_MS = 2_000;
/** For who is sent to see what it is, ms: within three seconds it is known. */
const WITNESS_MS = 1_000;
/** Whether a process has work to do, and does not wait for whom it does it for. */
const AT_WORK = `
  SELECT 1 FROM pg_stat_activity
  WHERE pid = $1 AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Client'
`;
/** Asks for TLS, and the answers (PostgreSQL's frontend/backend protocol, SSLRequest). */
const TLS_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const [TLS_YES, TLS_NO] = ["S", "N"];

export class Connection {
  /** What TLS goes through, where it is spoken. */
  #socket: Socket | null = null;
  #client: Sql | null = null;
  #sent: Sent | null = null;
  #isOver = false;
  #takesWrites = false;
  #lose = (_: Error) => {};

  /**
   * Connects with its first statement.
   * @param login is read then
   * @param isWitness asks how another fares, and nobody how it fares itself
   */
  constructor(
    readonly host: DatabaseHost,
    private readonly login: () => Promise<Login>,
    private readonly isWitness = false,
  ) {}

  /** Of its host. */
  get name(): string {
    return nameOf(this.host);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether it leads to a server that takes writes, as far as is known. */
  get takesWrites(): boolean {
    return this.#takesWrites;
  }

  /**
   * Carries out one statement, the last one being done with.
   * @param parameters null: it is a script, of several
   * @throws what `isLost` knows where the connection is lost; KhachapuriError `invalid_config` and
   *   of `login` where there can be none; Error for what the database refuses
   */
  async send(statement: string, parameters: readonly Parameter[] | null): Promise<unknown[]> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown[]>();
    this.#lose = reject;
    const unwatch = this.#watch();
    this.#carryOut(statement, parameters).then(resolve, reject);
    try {
      return await promise;
    } finally {
      unwatch();
    }
  }

  /** Ends it at once: whoever waits for an answer has lost it. */
  drop(why: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#lose(why);
    this.#socket?.destroy();
  }

  /** Takes leave of the server, where it can. */
  async end(): Promise<void> {
    if (!this.#isOver) await this.#client?.end({ timeout: 1 });
    this.drop(new LostConnection("it was ended"));
  }

  async #carryOut(
    statement: string,
    parameters: readonly Parameter[] | null,
  ): Promise<unknown[]> {
    this.#client ??= await this.#open();
    // What has no parameters would go as a script, and be planned anew each time.
    const way = parameters === null ? { simple: true } : { prepare: true, simple: false };
    const values = [...parameters ?? []] as Parameters<Sql["unsafe"]>[1];
    this.#sent = this.#client.unsafe(statement, values, way) as unknown as Sent;
    try {
      const rows = await this.#sent;
      this.#takesWrites = true;
      return rows;
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (isReadOnly(error)) this.#takesWrites = false;
      // The client has looked at what the server says of itself.
      if (code === "CONNECTION_DESTROYED") throw new LostConnection(`${this.name} takes no writes`);
      throw error;
    }
  }

  /**
   * Drops the connection when nothing comes and the server has nothing to do for it. Where it has,
   * another connection would only have it wait for the first one's locks, or standby.
   */
  #watch(): () => void {
    const silenceMs = this.isWitness ? WITNESS_MS : SILENCE_MS;
    const bytesRead = () => this.#socket?.bytesRead ?? 0;
    let heard = bytesRead();
    let isOn = true;
    const look = async () => {
      const isAlive = bytesRead() !== heard || await this.#isAtWork();
      if (!isOn) return;
      if (!isAlive) {
        this.#takesWrites = false;
        return this.drop(new LostConnection(`${this.name} is silent`));
      }
      heard = bytesRead();
      timer = setTimeout(look, silenceMs);
    };
    let timer = setTimeout(look, silenceMs);
    return () => {
      isOn = false;
      clearTimeout(timer);
    };
  }

  async #isAtWork(): Promise<boolean> {
    const pid = this.#sent?.state?.pid ?? null;
    if (pid === null || this.isWitness) return false;
    const witness = new Connection(this.host, this.login, true);
    try {
      return (await witness.send(AT_WORK, [pid])).length > 0;
    } catch {
      return false;
    } finally {
      await witness.end();
    }
  }

  async #open(): Promise<Sql> {
    // Who has no fleet does not load it.
    const { default: postgres } = await import("postgres");
    const login = await this.login();
    const { host, port } = this.host;
    const { name } = this;
    if (this.#isOver) throw new LostConnection(`${name} is not called any more`);
    const socket = new Socket();
    this.#socket = socket;
    const onError = (error: Error) => this.drop(lossOf(error, name));
    socket.on("error", onError);
    socket.once("close", () => this.drop(new LostConnection(`${name} closed the connection`)));
    await once(socket.connect({ host: bare(host), port }), "connect");
    socket.setNoDelay(true);
    const client = login.ca === null ? socket : await secured(socket, this.host, login.ca, onError);
    const options = optionsOf(this.host, login, client);
    return postgres(options as unknown as Parameters<typeof postgres>[0]);
  }
}

/** Agrees on TLS, and finds that the host is who it should be. */
async function secured(
  socket: Socket,
  { host, port }: DatabaseHost,
  ca: string,
  onError: (error: Error) => void,
): Promise<Socket> {
  const name = nameOf({ host, port });
  socket.write(TLS_REQUEST);
  const [said] = await once(socket, "data") as [Buffer];
  // What came beside a yes would pass for what the server says once it is known who it is.
  const answer = said.toString("latin1");
  if (answer === TLS_NO) throw withoutTls(name);
  if (answer !== TLS_YES) throw new LostConnection(`${name} answers TLS with "${answer}"`);
  const plain = bare(host);
  const secure = connectTls({
    socket,
    ...(isIP(plain) ? { host: plain } : { host: plain, servername: plain }),
    ...(ca === "" ? {} : { ca }),
    rejectUnauthorized: true,
  });
  secure.on("error", onError);
  await once(secure, "secureConnect");
  return secure;
}

/** For the client, of which each has one connection. */
function optionsOf({ host, port }: DatabaseHost, login: Login, socket: Socket) {
  const { user, database, password } = login;
  let isGiven = false;
  return {
    ...{ host: [bare(host)], port: [port], user, database },
    // A function, as it looks for "" in the environment.
    pass: () => password,
    socket: () => {
      if (isGiven) throw new LostConnection(`${nameOf({ host, port })} ended the connection`);
      isGiven = true;
      return socket;
    },
    ...{ ssl: false, sslnegotiation: null, keep_alive: 10 },
    ...{ max: 1, max_pipeline: 0, backoff: 0 },
    ...{ connect_timeout: 0, idle_timeout: 0, max_lifetime: 0 },
    ...{ prepare: true, debug: false, fetch_types: false, publications: "alltables" },
    // It would quote what is JSON already.
    types: { json: { to: 114, from: [114, 3802], serialize: String, parse: JSON.parse } },
    // What it calls read-write is whatever says of itself that it may be, as standbys do.
    target_session_attrs: "primary",
    onnotice: () => {},
    connection: {
      application_name: "khachapuri",
      search_path: "khachapuri",
      // A plan that is made once takes half of what one for each turn takes.
      plan_cache_mode: "force_generic_plan",
      // To compile a plan takes ten times what any of ours takes to carry out.
      jit: "off",
      // As text: it leaves out what is 0.
      ...{ statement_timeout: "0", lock_timeout: "0" },
      default_transaction_isolation: "read committed",
    },
  };
}

/** An IPv6 address as sockets have it. */
function bare(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

function nameOf({ host, port }: DatabaseHost): string {
  return `${host}:${port}`;
}
