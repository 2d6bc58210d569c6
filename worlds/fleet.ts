/** A market whose provider is several nodes: processes on one database and one chain. */
import { join } from "node:path";
import { type ChildProvider, startChildProvider } from "./child_provider.ts";
import type { FleetDatabase } from "./fleet_database.ts";
import { freePort } from "./free_port.ts";
import { type Market, type MarketOptions, startMarket } from "./market.ts";
import { startProxy } from "./proxies.ts";

export interface FleetMember {
  readonly name: string;
  /** Its configuration and its state. */
  readonly home: string;
  /** Where it listens, by all its processes. */
  readonly url: string;
  /** Replaced by `start`. */
  process: ChildProvider;
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
  /** Of the HAProxy before the nodes; a node's own where there is none. */
  readonly url: string;
}

export interface FleetOptions extends MarketOptions {
  /** Three unless given. */
  size?: number;
  /** Of the database, as the node at that place has it; by default as it is. */
  uriOf?: (uri: string, at: number) => string;
  /** Whether a HAProxy stands before the nodes. */
  hasFront?: boolean;
}

const DOMAIN = "provider.test";
/** Nothing settles by itself within a test. */
const SETTLEMENT = { mode: "batch", intervalSeconds: 360, pollMs: 50 };

/** Starts it all; dispose of it to end it all. */
export async function startFleet(
  database: FleetDatabase,
  options: FleetOptions = {},
): Promise<Fleet> {
  const { size = 3, uriOf = (uri) => uri, hasFront = false } = options;
  await using stack = new AsyncDisposableStack();
  const market = stack.use(await startMarket({ ...options, settings: {} }));
  await market.provider.stop();
  const nodes = await Promise.all(Array.from({ length: size }, async (_, at) => {
    const node = await makeMember(market, `n${at + 1}`, {
      settlement: SETTLEMENT,
      drainSeconds: 0,
      trustedProxies: ["127.0.0.1"],
      ...options.settings,
      ledger: { postgres: uriOf(database.uri, at) },
    });
    await node.start();
    stack.defer(() => node.process.kill());
    return node;
  }));
  const url = hasFront ? await startFront(nodes, stack) : nodes[0]!.url;
  const owned = stack.move();
  return { market, database, nodes, url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function startFront(
  nodes: readonly FleetMember[],
  stack: AsyncDisposableStack,
): Promise<string> {
  const upstreams = nodes.map(({ url }) => new URL(url).host);
  const site = { domain: DOMAIN, upstreams, certificate: null };
  const { port } = stack.use(await startProxy("haproxy", site));
  return `http://127.0.0.1:${port}`;
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
  const listen = `127.0.0.1:${freePort()}`;
  const own = { listen, fleet: { node: name, listen: `127.0.0.1:${freePort()}` } };
  const member: FleetMember = {
    ...{ name, home, process: null!, url: `http://${listen}` },
    async configure(settings = {}) {
      const provider = { ...config.provider, ...common, ...own, ...settings };
      const text = JSON.stringify({ ...config, provider });
      await Deno.writeTextFile(join(home, "config.json"), text);
    },
    async start(options) {
      const process = await startChildProvider(home, options);
      if (await process.url === null) {
        throw new Error(`${name} did not start: see ${home}/provider.log`);
      }
      member.process = process;
    },
  };
  await member.configure();
  return member;
}
