/** PostgreSQL for tests of a fleet: a server to a process, a database with our schema to a test. */
import { join } from "node:path";
import { type DatabaseAddress, parseDatabaseAddress } from "../lib/provider/fleet/address.ts";
import { type Database, openDatabase } from "../lib/provider/fleet/database.ts";
import { migrate } from "../lib/provider/fleet/migrations.ts";
import { makeFolder } from "./home.ts";
import { LOCALHOST_CERT, LOCALHOST_KEY } from "./localhost_certificate.ts";
import { findPostgres, type Postgres, startPostgres } from "./postgres.ts";

export interface FleetDatabase extends AsyncDisposable {
  readonly database: Database;
  readonly address: DatabaseAddress;
  readonly uri: string;
  /** Another connection of the kind that a node has. */
  open(): Promise<Database>;
}

/** Starts the server that `freshDatabase` makes databases in; null: this machine has none. */
export async function startFleetServer(): Promise<Postgres | null> {
  const bin = await findPostgres();
  if (bin === null) return null;
  const { dir } = await makeFolder();
  const tls = { cert: join(dir, "cert.pem"), key: join(dir, "key.pem") };
  await Deno.writeTextFile(tls.cert, LOCALHOST_CERT);
  await Deno.writeTextFile(tls.key, LOCALHOST_KEY);
  const server = await startPostgres(bin, tls);
  // It outlives the tests of its process, and nothing else.
  globalThis.addEventListener("unload", () => void server[Symbol.asyncDispose]());
  return server;
}

let made = 0;

/** A database of a test's own. */
export async function freshDatabase({ port }: Pick<Postgres, "port">): Promise<FleetDatabase> {
  await using stack = new AsyncDisposableStack();
  const name = `test_${++made}`;
  const admin = await openDatabase(
    parseDatabaseAddress(`postgres://nino@127.0.0.1:${port}/postgres`),
  );
  await admin.script(`CREATE DATABASE ${name}`);
  await admin.close();
  const uri = `postgres://nino@127.0.0.1:${port}/${name}`;
  const address = parseDatabaseAddress(uri);
  const database = await openDatabase(address);
  stack.defer(() => database.close());
  await migrate(database);
  const owned = stack.move();
  return {
    database,
    address,
    uri,
    async open() {
      const another = await openDatabase(address);
      owned.defer(() => another.close());
      return another;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
