/**
 * A provider of three nodes whose PostgreSQL waits for the disk, and three providers on the same
 * chain that are one machine each.
 */
import { join } from "node:path";
import { freePort } from "../worlds/free_port.ts";
import { changeConfig, makeFolder } from "../worlds/home.ts";
import { type Fleet, startFleet } from "../worlds/fleet.ts";
import { freshDatabase } from "../worlds/fleet_database.ts";
import { fund } from "../worlds/chain/escrow_chain.ts";
import { type Cluster, startCluster } from "../worlds/postgres/cluster.ts";
import { findPostgres } from "../worlds/postgres/server.ts";
import { proxyVersion } from "../worlds/proxies.ts";
import { outputOf } from "./checkout.ts";
import { PLENTY, SETTINGS } from "./payments_world.ts";

export interface FleetWorld extends AsyncDisposable {
  readonly cluster: Cluster;
  /** Its nodes stand still; the proxy before them does not. */
  readonly fleet: Fleet;
  /** Home of one more node, which nobody has served from. */
  nodeHome(): Promise<string>;
  /** The same of a provider with a ledger of its own. */
  loneHome(): Promise<string>;
}

type Settings = Record<string, unknown>;

/** As operators set it on a small machine. */
const SERVER = { shared_buffers: "256MB", max_wal_size: "2GB", checkpoint_timeout: "15min" };

export async function openFleetWorld(): Promise<FleetWorld> {
  const bin = await findPostgres();
  if (bin === null || await proxyVersion("haproxy") === null) {
    throw new Error(
      "bench fleet needs PostgreSQL and HAProxy: deno task setup:tests installs both",
    );
  }
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await startCluster(bin, { fsync: true, settings: SERVER }));
  const database = stack.use(await freshDatabase(cluster));
  const fleet = stack.use(
    await startFleet(database, { credits: PLENTY, hasFront: true, settings: SETTINGS }),
  );
  const { market, nodes } = fleet;
  await Promise.all(nodes.map(({ process }) => process.stop()));
  await fund(market, market.accounts.stranger, PLENTY);
  const { dir } = stack.use(await makeFolder());
  let homes = 0;
  async function makeHome(change: (provider: Settings, name: string) => Settings): Promise<string> {
    const name = `h${homes++}`;
    const home = join(dir, name);
    await Deno.mkdir(home, { mode: 0o755 });
    for (const file of ["config.json", "keys.json", "terms.txt"]) {
      await outputOf("cp", ["-p", join(nodes[0]!.home, file), home]);
    }
    await changeConfig(home, ({ provider, ...rest }) => (
      { ...rest, provider: { ...change(provider, name), listen: "127.0.0.1:0" } }
    ));
    return home;
  }
  const owned = stack.move();
  return {
    cluster,
    fleet,
    nodeHome: () =>
      makeHome((own, node) => ({
        ...own,
        fleet: { node, listen: `127.0.0.1:${freePort()}` },
      })),
    loneHome: () => makeHome(({ fleet: _fleet, ledger: _ledger, ...own }) => own),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
