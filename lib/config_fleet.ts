/**
 * The configuration's section `provider.fleet`: one of several nodes of a provider, which have the
 * same keys and, by `provider.ledger.postgres`, the same books. Absent: the provider is this
 * machine alone.
 */
import { isAbsolute, join } from "node:path";
import * as v from "valibot";
import type { KhachapuriError } from "./errors.ts";
import { type DatabaseAddress, parseDatabaseAddress } from "./postgres_address.ts";
import { httpUrlShape, placeShape } from "./shape.ts";

/** A host that stands for all addresses of a machine, and a port that the system chooses. */
const NOWHERE_TO_REACH = /^(?:0\.0\.0\.0|\[::\]|\[::0\]):|:0+$/;

/** Whether a node may be called that. */
export function isNodeName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(text);
}

export const fleetShape = v.exactOptional(v.pipe(
  v.strictObject({
    /** This node's name: its own for good, as which content it is the home of goes by it. */
    node: v.pipe(
      v.string(),
      v.check(isNodeName, 'not letters a to z, digits and "-", 32 of them at most'),
    ),
    /** host:port where the other nodes ask this one; nobody else has a use for it. */
    listen: placeShape,
    /** Where they reach it; by default at `listen`. */
    url: v.exactOptional(httpUrlShape),
  }),
  v.forward(
    v.check(
      ({ listen, url }) => url !== undefined || !NOWHERE_TO_REACH.test(listen),
      "is nowhere that others can reach: provider.fleet.url says where they do",
    ),
    ["listen"],
  ),
));

export type FleetConfig = NonNullable<v.InferOutput<typeof fleetShape>>;

/** Where a fleet's books are, in libpq's words; absent: in the state folder, of this node alone. */
export const postgresShape = v.exactOptional(v.pipe(
  v.string(),
  v.check((text) => addressFault(text) === null, (issue) => addressFault(issue.input)!),
));

function addressFault(text: string): string | null {
  try {
    parseDatabaseAddress(text);
    return null;
  } catch (error) {
    const { message, hints } = error as KhachapuriError;
    return [message, ...hints].join("; ");
  }
}

interface BooksFields {
  fleet?: FleetConfig;
  ledger: { postgres?: string };
  settlement: { mode: "batch" | "each" };
}

export const ONE_NODE_SIGNS = '"each" mines a credit before each run, and of a fleet one node ' +
  'alone signs: with ledger.postgres it is "batch"';

export function isSettledByBatches({ settlement: { mode }, ledger: { postgres } }: BooksFields) {
  return mode === "batch" || postgres === undefined;
}

export const BOOKS_OF_NODES = "is for nodes of a fleet: provider.fleet says which one this is";

export function isNodesBooks({ fleet, ledger: { postgres } }: BooksFields) {
  return postgres === undefined || fleet !== undefined;
}

/** Its files are found from the configuration's folder. */
export function databaseAddressIn(home: string, postgres: string): DatabaseAddress {
  const address = parseDatabaseAddress(postgres);
  const { passfile, tls } = address;
  const fromHome = (path: string | null) =>
    path === null || isAbsolute(path) ? path : join(home, path);
  return { ...address, passfile: fromHome(passfile), tls: tls && { ca: fromHome(tls.ca) } };
}

/** Where the other nodes reach this one. */
export function nodeUrlOf({ listen, url }: FleetConfig): string {
  return url ?? `http://${listen}`;
}
