/** A PostgreSQL cluster of a test's own, with a database that a provider may have. */
import { join } from "node:path";
import type { CertificateFiles } from "../../lib/provider/wire/certificate.ts";
import { PostgresServer, type ServerSettings, SUPERUSER } from "./server.ts";

/** Who owns the databases, and may do nothing besides. */
export const USER = "nino";

export interface ClusterOptions {
  /** Whether commits wait for the disk; without, they outlive the server's end all the same. */
  fsync?: boolean;
  /** For who asks for TLS; null: it is not spoken. */
  tls?: CertificateFiles | null;
  /** Asked for by SCRAM; null: everybody is trusted. */
  password?: string | null;
  settings?: ServerSettings;
}

export interface Cluster extends AsyncDisposable {
  readonly server: PostgresServer;
  readonly port: number;
  /** In the format of `.pgpass`, with the password that there is, if there is one. */
  readonly passfile: string;
  /** Of a database, to be read by `parseDatabaseAddress`. */
  uri(database?: string): string;
  /**
   * A new database.
   * @param template that it is a copy of
   * @returns its name
   */
  freshDatabase(template?: string): Promise<string>;
}

/** Starts one. @param bin what `findPostgres` found */
export async function startCluster(bin: string, options: ClusterOptions = {}): Promise<Cluster> {
  await using stack = new AsyncDisposableStack();
  const { password = null } = options;
  const server = stack.use(await initCluster(bin, options));
  await server.start();
  await makeUser(server, password);
  const { port } = server;
  const passfile = join(server.dir, "passfile");
  const escaped = (password ?? "").replace(/[\\:]/g, "\\$&");
  await Deno.writeTextFile(passfile, `*:*:*:*:${escaped}\n`, { mode: 0o600 });
  const owned = stack.move();
  return {
    server,
    port,
    passfile,
    uri: (database = "postgres") => `postgres://${USER}@127.0.0.1:${port}/${database}`,
    freshDatabase: databaseMaker(() => server),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Its files alone. */
export async function initCluster(
  bin: string,
  { fsync = false, tls = null, password = null, settings = {} }: ClusterOptions,
): Promise<PostgresServer> {
  const server = await PostgresServer.open(bin, {
    fsync: fsync ? "on" : "off",
    ssl: tls === null ? "off" : "on",
    ssl_cert_file: "../cert.pem",
    ssl_key_file: "../key.pem",
    ...settings,
  });
  const made = ["--username", SUPERUSER, "--auth", "trust", "--no-sync"];
  const words = ["--encoding", "UTF8", "--locale", "C"];
  await server.run("initdb", "--pgdata", server.data, ...made, ...words);
  const method = password === null ? "trust" : "scram-sha-256";
  const trusted = `host all,replication ${SUPERUSER} 127.0.0.1/32 trust\n`;
  await server.put("data/pg_hba.conf", `${trusted}host all all 127.0.0.1/32 ${method}\n`);
  if (tls !== null) {
    await server.put("cert.pem", await Deno.readTextFile(tls.cert));
    await server.put("key.pem", await Deno.readTextFile(tls.key));
  }
  return server;
}

/** And has it own the database that there is; it waits for no standby, as there is none yet. */
export async function makeUser(server: PostgresServer, password: string | null): Promise<void> {
  const secret = password === null ? "" : ` PASSWORD '${password}'`;
  await server.query(
    `SET synchronous_commit = local; CREATE ROLE ${USER} LOGIN${secret};
    ALTER DATABASE postgres OWNER TO ${USER}`,
  );
}

export function databaseMaker(server: () => PostgresServer): Cluster["freshDatabase"] {
  let made = 0;
  return async (template = "template1") => {
    const name = `fresh_${++made}`;
    await server().query(`CREATE DATABASE ${name} OWNER ${USER} TEMPLATE ${template}`);
    return name;
  };
}
