/** PostgreSQL for tests of a fleet: a server to a process, a database with our schema to a test. */
import { type DatabaseAddress, parseDatabaseAddress } from "../lib/provider/fleet/address.ts";
import { type Database, openDatabase } from "../lib/provider/fleet/database.ts";
import { migrate } from "../lib/provider/fleet/migrations.ts";
import { type Cluster, startCluster } from "./postgres/cluster.ts";
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
  const owned = new AsyncDisposableStack();
  const template = templates.get(cluster) ?? makeTemplate(cluster);
  templates.set(cluster, template);
  const uri = cluster.uri(await cluster.freshDatabase(await template));
  const address = parseDatabaseAddress(uri);
  const open = async () => {
    const database = await openDatabase(address);
    owned.defer(() => database.close());
    return database;
  };
  const database = await open();
  return { database, address, uri, open, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
