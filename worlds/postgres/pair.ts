/**
 * A primary and its synchronous standby: nothing is committed that one of them does not have. The
 * standby takes the primary's place as often as it is told to.
 */
import { type ClusterOptions, databaseMaker, initCluster, makeUser, USER } from "./cluster.ts";
import { type PostgresServer, SUPERUSER } from "./server.ts";

export interface Pair extends AsyncDisposable {
  /** Who takes writes at present. */
  readonly primary: PostgresServer;
  readonly standby: PostgresServer;
  /** Of a database at both. */
  uri(database?: string): string;
  /** A new database. @returns its name */
  freshDatabase(): Promise<string>;
  /**
   * Kills the primary and has the standby take its place, with the killed one's copied anew for a
   * standby: without one there are no commits. Resolves when writes are taken.
   */
  failover(): Promise<void>;
}

/** Ends commits as standbys apply them; `on` in `settings` as standbys have written them. */
const SYNCHRONOUS = { synchronous_standby_names: "*", synchronous_commit: "remote_apply" };

/** Starts both. @param bin what `findPostgres` found */
export async function startPair(
  bin: string,
  { settings = {}, ...options }: ClusterOptions = {},
): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const chosen = { ...options, settings: { ...SYNCHRONOUS, ...settings } };
  let primary = stack.use(await initCluster(bin, chosen));
  await primary.start();
  await makeUser(primary, options.password ?? null);
  let standby = stack.use(await primary.twin());
  await follow(standby, primary);
  const hosts = [primary, standby].map(({ port }) => `127.0.0.1:${port}`).join(",");
  const owned = stack.move();
  return {
    get primary() {
      return primary;
    },
    get standby() {
      return standby;
    },
    uri: (database = "postgres") => `postgres://${USER}@${hosts}/${database}`,
    freshDatabase: databaseMaker(() => primary),
    async failover() {
      [primary, standby] = [standby, primary];
      await standby.crash();
      await primary.query("SELECT pg_promote()");
      await follow(standby, primary);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Makes one a standby of another, whatever it was before; resolves when that one commits. */
async function follow(standby: PostgresServer, primary: PostgresServer): Promise<void> {
  await Deno.remove(standby.data, { recursive: true }).catch(() => {});
  const from = ["--host", "127.0.0.1", "--port", `${primary.port}`, "--username", SUPERUSER];
  const how = ["--write-recovery-conf", "--checkpoint", "fast", "--no-sync"];
  await standby.run("pg_basebackup", "--pgdata", standby.data, ...from, ...how);
  await standby.start();
  await primary.query("SELECT pg_logical_emit_message(true, 'khachapuri', 'committed')");
}
