/** How a program that is a server wants to be reached, with what its spec leaves out. */
import type { Spec } from "./schema.ts";

/** How connections come to it: "port", it listens there itself; "fd", it is passed a socket. */
export type Listen = { readonly kind: "port"; readonly port: number } | { readonly kind: "fd" };

export interface ServerWish {
  readonly listen: Listen;
  /** At the same time. */
  readonly instances: number;
  /** Requests that one instance has at a time. */
  readonly concurrency: number;
}

const PORT_DEFAULT = 8080;
const INSTANCES_DEFAULT = 4;
const CONCURRENCY_DEFAULT = 32;

export function serverOf({ server = {} }: Pick<Spec, "server">): ServerWish {
  const { listen = "port", port = PORT_DEFAULT } = server;
  const { instances = INSTANCES_DEFAULT, concurrency = CONCURRENCY_DEFAULT } = server;
  return {
    listen: listen === "fd" ? { kind: "fd" } : { kind: "port", port },
    instances,
    concurrency,
  };
}
