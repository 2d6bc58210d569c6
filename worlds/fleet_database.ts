/** PostgreSQL for tests of a fleet: a server to a process, a database with our schema to a test. */
import { type DatabaseAddress, parseDatabaseAddress } from "../lib/postgres_address.ts";
import { type Database, openDatabase } from "../lib/provider/fleet/database.ts";
import type { Term } from "../lib/provider/fleet/leadership.ts";
import { migrate } from "../lib/provider/fleet/migrations.ts";
import { type Cluster, startCluster } from "./postgres/cluster.ts";
import type { Pair } from "./postgres/pair.ts";
import { findPostgres } from "./postgres/server.ts";

export interface FleetDatabase extends AsyncDisposable {
  readonly database: Database;
  readonly address: DatabaseAddress;
  readonly uri: string;
  /** Another connection of the kind that a node has. */
  open(): Promise<Database>;
}

let started: Promise<Cluster | null> | null = null;

/** The server that `freshDatabase` makes databases in; null: this machine has none. */
export function startFleetServer(): Promise<Cluster | null> {
  return started ??= start();
}

async function start(): Promise<Cluster | null> {
  const bin = await findPostgres();
  if (bin === null) return null;
  const cluster = await startCluster(bin);
  // It outlives the tests of its process, and nothing else.
  globalThis.addEventListener("unload", () => cluster.server.disposeNow());
  return cluster;
}

const templates = new WeakMap<Cluster, Promise<string>>();

/** Its schema is as a release makes it, once: a copy takes a fraction of what each step takes. */
async function makeTemplate(cluster: Cluster): Promise<string> {
  const name = await cluster.freshDatabase();
  const database = await openDatabase(parseDatabaseAddress(cluster.uri(name)));
  await migrate(database);
  await database.close();
  return name;
}

/** A database of a test's own. */
export async function freshDatabase(cluster: Cluster): Promise<FleetDatabase> {
  const template = templates.get(cluster) ?? makeTemplate(cluster);
  templates.set(cluster, template);
  return await openAt(cluster.uri(await cluster.freshDatabase(await template)));
}

/** The same, at a primary and its standby. */
export async function pairDatabase(pair: Pair): Promise<FleetDatabase> {
  const opened = await openAt(pair.uri(await pair.freshDatabase()));
  await migrate(opened.database);
  return opened;
}

async function openAt(uri: string): Promise<FleetDatabase> {
  const owned = new AsyncDisposableStack();
  const address = parseDatabaseAddress(uri);
  const open = async () => {
    const database = await openDatabase(address);
    owned.defer(() => database.close());
    return database;
  };
  const database = await open();
  return { database, address, uri, open, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A session of a node that says no more than this. */
export async function beginSession(database: Database, node: string): Promise<number> {
  const [begun] = await database.ask<{ id: number }>(
    "SELECT begin_session_1($1, '', '', '{}') AS id",
    [node],
  );
  return begun!.id;
}

/** Whoever leads was not heard of for ten seconds. */
export async function endLease(database: Database): Promise<void> {
  await database.ask("UPDATE leader SET until = now() - interval '1 ms'");
}

/** A session leads from now on, whoever did. */
export async function leadAlone(database: Database, session: number): Promise<Term> {
  await endLease(database);
  const [row] = await database.ask<{ leader: { term: number } }>(
    "SELECT lead_1($1, NULL, NULL) AS leader",
    [session],
  );
  return { session, term: row!.leader.term };
}
