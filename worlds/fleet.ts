/** A market whose provider is several nodes: processes on one database and one chain. */
import { join } from "node:path";
import { type ChildProvider, startChildProvider } from "./child_provider.ts";
import { type FleetDatabase, freshDatabase } from "./fleet_database.ts";
import { freePort } from "./free_port.ts";
import { type Market, type MarketOptions, startMarket } from "./market.ts";
import type { Cluster } from "./postgres/cluster.ts";

export interface FleetMember {
  readonly name: string;
  /** Its configuration and its state. */
  readonly home: string;
  /** Replaced by `start`. */
  process: ChildProvider;
  /** Where it listens now. */
  url: string;
  /** Writes its configuration with these provider settings changed. */
  configure(settings?: Record<string, unknown>): Promise<void>;
  /** Starts its process on its configuration, beside or after the one before. */
  start(options?: { isSuccessor?: boolean }): Promise<void>;
}

export interface Fleet extends AsyncDisposable {
  /** Whose own provider has stopped. */
  readonly market: Market;
  readonly database: FleetDatabase;
  readonly nodes: readonly FleetMember[];
}

export interface FleetOptions extends MarketOptions {
  /** Three unless given. */
  size?: number;
  /** Of the database, as nodes have it; by default as it is. */
  uriOf?: (uri: string) => string;
}

/** Nothing settles by itself within a test. */
const SETTLEMENT = { mode: "batch", intervalSeconds: 360, pollMs: 50 };

/** Starts it all; dispose of it to end it all. */
export async function startFleet(cluster: Cluster, options: FleetOptions = {}): Promise<Fleet> {
  const { size = 3, uriOf = (uri) => uri } = options;
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await freshDatabase(cluster));
  const market = stack.use(await startMarket({ ...options, settings: {} }));
  await market.provider.stop();
  const common = {
    settlement: SETTLEMENT,
    drainSeconds: 0,
    ...options.settings,
    ledger: { postgres: uriOf(database.uri) },
  };
  const nodes = await Promise.all(Array.from({ length: size }, async (_, index) => {
    const node = await makeMember(market, `n${index + 1}`, common);
    await node.start();
    stack.defer(() => node.process.kill());
    return node;
  }));
  const owned = stack.move();
  return { market, database, nodes, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function makeMember(
  market: Market,
  name: string,
  common: Record<string, unknown>,
): Promise<FleetMember> {
  const home = join(market.home, name);
  await Deno.mkdir(home);
  for (const file of ["keys.json", "terms.txt"]) {
    await Deno.copyFile(join(market.home, file), join(home, file));
    await Deno.chmod(join(home, file), 0o600);
  }
  const config = JSON.parse(await Deno.readTextFile(join(market.home, "config.json")));
  const fleet = { node: name, listen: `127.0.0.1:${freePort()}` };
  const member: FleetMember = {
    ...{ name, home, process: null!, url: "" },
    async configure(settings = {}) {
      const provider = { ...config.provider, ...common, fleet, ...settings };
      const text = JSON.stringify({ ...config, provider });
      await Deno.writeTextFile(join(home, "config.json"), text);
    },
    async start(options) {
      const process = await startChildProvider(home, options);
      const url = await process.url;
      if (url === null) throw new Error(`${name} did not start: see ${home}/provider.log`);
      Object.assign(member, { process, url });
    },
  };
  await member.configure();
  return member;
}
