/**
 * Where a fleet's PostgreSQL is: a connection URI in the words of libpq
 * (postgresql.org/docs/current/libpq-connect.html), of which we take what a provider needs and
 * refuse the rest by name. A configuration is read by many, so no password stands in it.
 */
import { KhachapuriError } from "./errors.ts";

export interface DatabaseAddress {
  /** Tried in turn until one of them takes writes. */
  readonly hosts: readonly DatabaseHost[];
  readonly user: string;
  readonly database: string;
  /** A file in the format of `.pgpass`; null: whatever PGPASSFILE names, or no password. */
  readonly passfile: string | null;
  /** Null: without TLS. */
  readonly tls: DatabaseTls | null;
}

export interface DatabaseHost {
  readonly host: string;
  readonly port: number;
}

/** The server's name and certificate are verified always. */
export interface DatabaseTls {
  /** A file with the authorities that are trusted, PEM; null: those of the system. */
  readonly ca: string | null;
}

const PORT = 5_432;
const PARAMETERS: ReadonlySet<string> = new Set(["sslmode", "sslrootcert", "passfile"]);
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
const SHAPE = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?@]+)\/([^/?]+)(?:\?(.*))?$/;

/**
 * Reads `postgres://USER@HOST[:PORT][,HOST[:PORT]…]/DATABASE[?sslmode=…&sslrootcert=…&passfile=…]`.
 * Without `sslmode` TLS is wanted of every host that is not this machine.
 * @throws KhachapuriError `invalid_config`
 */
export function parseDatabaseAddress(text: string): DatabaseAddress {
  const [, userInfo = "", hostList = "", database = "", query = ""] = SHAPE.exec(text) ?? [];
  if (hostList === "") throw unfit("is not postgres://USER@HOST:PORT/DATABASE");
  if (userInfo.includes(":")) {
    throw unfit("holds a password", "put it into a file like .pgpass, mode 0600: ?passfile=FILE");
  }
  if (userInfo === "") throw unfit("names no user");
  const hosts = hostList.split(",").map(hostOf);
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    if (!PARAMETERS.has(name)) throw unfit(`has "${name}", which is none of ${known()}`);
  }
  return {
    hosts,
    user: decodeURIComponent(userInfo),
    database: decodeURIComponent(database),
    passfile: parameters.get("passfile"),
    tls: tlsOf(parameters, hosts),
  };
}

/** Without what nobody else is to know: for a log or a page. */
export function describeAddress({ hosts, database }: DatabaseAddress): string {
  return `${hosts.map(({ host, port }) => `${host}:${port}`).join(",")}/${database}`;
}

function hostOf(text: string): DatabaseHost {
  const [, host = "", port] = /^(\[[0-9a-fA-F:]+\]|[^:[\]]+)(?::([0-9]{1,5}))?$/.exec(text) ?? [];
  const number = port === undefined ? PORT : Number(port);
  if (host === "" || number === 0 || number > 65_535) throw unfit(`has the host "${text}"`);
  return { host, port: number };
}

function tlsOf(
  parameters: URLSearchParams,
  hosts: readonly DatabaseHost[],
): DatabaseTls | null {
  const ca = parameters.get("sslrootcert");
  const isLocal = hosts.every(({ host }) => LOOPBACK.test(host));
  const mode = parameters.get("sslmode") ?? (isLocal && ca === null ? "disable" : "verify-full");
  if (mode === "verify-full") return { ca: ca === "system" ? null : ca };
  if (mode !== "disable") {
    throw unfit(
      `has sslmode=${mode}`,
      "verify-full, the default, or disable: a server that is not verified may be anybody's",
    );
  }
  if (ca !== null) throw unfit("has sslrootcert beside sslmode=disable");
  return null;
}

function known(): string {
  return [...PARAMETERS].join(", ");
}

function unfit(what: string, ...hints: string[]): KhachapuriError {
  return new KhachapuriError("invalid_config", `the database's address ${what}`, { hints });
}
