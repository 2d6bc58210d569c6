/** How a program is reached that is a server, as its spec says it and where that says nothing. */
import * as v from "valibot";
import { DEPLOYMENT_CONCURRENCY_MAX } from "../limits.ts";
import {
  SERVER_CONCURRENCY_MAX,
  SERVER_INSTANCES_MAX,
  SERVER_PORT_MIN,
} from "../limits_of_servers.ts";
import { wholeNumber } from "./whole_number.ts";

/** How a server is reached; only with interface "http". */
export const serverShape = v.pipe(
  v.strictObject({
    /** "port": it listens on `port` itself; "fd": it is passed a socket that listens. */
    listen: v.exactOptional(v.picklist(["port", "fd"], 'not "port" or "fd"')),
    port: v.exactOptional(wholeNumber(SERVER_PORT_MIN, 65_535)),
    /** At the same time. */
    instances: v.exactOptional(wholeNumber(1, SERVER_INSTANCES_MAX)),
    /** Requests that one instance has at a time. */
    concurrency: v.exactOptional(wholeNumber(1, SERVER_CONCURRENCY_MAX)),
  }),
  v.forward(
    v.check(
      ({ listen, port }) => listen !== "fd" || port === undefined,
      'of no use with listen "fd": the server is passed its socket',
    ),
    ["port"],
  ),
);

/** As a spec has it: what it leaves out has its default. */
export type ServerJson = v.InferOutput<typeof serverShape>;

/** How connections come to it: "port", it listens there itself; "fd", it is passed a socket. */
export type Listen = { readonly kind: "port"; readonly port: number } | { readonly kind: "fd" };

/** How a server wants to be reached, with nothing left out. */
export interface ServerWish {
  readonly listen: Listen;
  /** At the same time. */
  readonly instances: number;
  /** Requests that one instance has at a time. */
  readonly concurrency: number;
}

export const SERVER_PORT_DEFAULT = 8080;
export const SERVER_INSTANCES_DEFAULT = 4;
export const SERVER_CONCURRENCY_DEFAULT = 32;

export function serverOf({ server = {} }: { readonly server?: ServerJson }): ServerWish {
  const { listen = "port", port = SERVER_PORT_DEFAULT } = server;
  const { instances = SERVER_INSTANCES_DEFAULT } = server;
  const { concurrency = SERVER_CONCURRENCY_DEFAULT } = server;
  return {
    listen: listen === "fd" ? { kind: "fd" } : { kind: "port", port },
    instances,
    concurrency,
  };
}

/** What `limits.concurrency` is unless its owner says otherwise: as many as there is room for. */
export function requestsAtOnce({ instances, concurrency }: ServerWish): number {
  return Math.min(instances * concurrency, DEPLOYMENT_CONCURRENCY_MAX);
}

/** The same as a spec says it, in full: what its owner signs does not change with our defaults. */
export function serverToJson({ listen, instances, concurrency }: ServerWish): ServerJson {
  const { kind, ...port } = listen;
  return { listen: kind, ...port, instances, concurrency };
}

/** What a server finds in its environment of whoever starts it. */
const VARIABLES: readonly string[] = ["PORT", "LISTEN_FDS", "LISTEN_PID"];

/** A variable that a server is told anyhow, and a spec may not set; undefined: there is none. */
export function serverVariableIn(env: Readonly<Record<string, string>>): string | undefined {
  return VARIABLES.find((name) => Object.hasOwn(env, name));
}

/** What of a spec does not go together with its interface. */
export interface InterfaceFault {
  readonly field: "server" | "env";
  readonly message: string;
}

/** null: all of it does. */
export function interfaceFault(
  { interface: style, server, env }: {
    readonly interface: string;
    readonly server?: ServerJson;
    readonly env: Readonly<Record<string, string>>;
  },
): InterfaceFault | null {
  if (style !== "http") {
    return server === undefined
      ? null
      : { field: "server", message: `of no use with interface "${style}": "http" alone has one` };
  }
  const name = serverVariableIn(env);
  return name === undefined ? null : { field: "env", message: `${name} is set for each server` };
}
