/** The flags of a program that is a server, shared by `deploy`, `run` and `dev`. */
import { KhachapuriError } from "../errors.ts";
import {
  SERVER_CONCURRENCY_MAX,
  SERVER_INSTANCES_MAX,
  SERVER_PORT_MIN,
} from "../limits_of_servers.ts";
import {
  SERVER_CONCURRENCY_DEFAULT,
  SERVER_INSTANCES_DEFAULT,
  SERVER_PORT_DEFAULT,
  serverVariableIn,
  type ServerWish,
} from "../spec/server.ts";

export const SERVER_OPTIONS = {
  "server-listen": {
    type: "string",
    value: "HOW",
    choices: ["port", "fd"],
    description: "port (default: on the one in its variable PORT) or fd (on descriptor 3)",
  },
  "server-port": {
    type: "string",
    value: "PORT",
    description: `where a server listens (default ${SERVER_PORT_DEFAULT})`,
  },
  instances: {
    type: "string",
    value: "N",
    description: `copies of a server at the same time (default ${SERVER_INSTANCES_DEFAULT})`,
  },
  "server-concurrency": {
    type: "string",
    value: "N",
    description: `requests at a time to each copy (default ${SERVER_CONCURRENCY_DEFAULT})`,
  },
} as const;

/** The values of `SERVER_OPTIONS` as parsed from the command line. */
export type ServerFlags = { [name in keyof typeof SERVER_OPTIONS]: string | undefined };

/**
 * How a server is to be reached.
 * @throws KhachapuriError `usage`
 */
export function serverWish(
  flags: ServerFlags,
  env: Readonly<Record<string, string>>,
): ServerWish {
  const taken = serverVariableIn(env);
  if (taken !== undefined) {
    throw usage(`${taken} is set for each server`, "the port that it is told: --server-port PORT");
  }
  return {
    listen: listenOf(flags),
    instances: within(flags, "instances", 1, SERVER_INSTANCES_MAX) ??
      SERVER_INSTANCES_DEFAULT,
    concurrency: within(flags, "server-concurrency", 1, SERVER_CONCURRENCY_MAX) ??
      SERVER_CONCURRENCY_DEFAULT,
  };
}

/** @throws KhachapuriError `usage` for flags of a server where the program is none */
export function assertNoServer(flags: ServerFlags): void {
  const given = Object.keys(SERVER_OPTIONS).find((name) => flags[name as keyof ServerFlags]);
  if (given === undefined) return;
  throw usage(`--${given}: the program is no server`, "add --interface http if it is one");
}

function listenOf(flags: ServerFlags): ServerWish["listen"] {
  const port = within(flags, "server-port", SERVER_PORT_MIN, 65_535);
  const kind = flags["server-listen"] ?? "port";
  if (kind !== "port" && kind !== "fd") {
    throw usage(`--server-listen is port or fd, not ${kind}`);
  }
  if (kind === "port") return { kind, port: port ?? SERVER_PORT_DEFAULT };
  if (port === undefined) return { kind };
  throw usage("--server-port is of no use with --server-listen fd, where it is passed a socket");
}

function within(
  flags: ServerFlags,
  name: keyof ServerFlags,
  min: number,
  max: number,
): number | undefined {
  const text = flags[name];
  if (text === undefined) return undefined;
  const value = /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw usage(`--${name} is not a whole number from ${min} to ${max}: ${text}`);
}

function usage(message: string, ...hints: string[]): KhachapuriError {
  return new KhachapuriError("usage", message, { hints });
}
