/**
 * What a provider gains by nodes: three behind HAProxy by three providers that know nothing of each
 * other, each called by its own callers; real programs, all on this machine.
 */
import { startChildProvider } from "../worlds/child_provider.ts";
import { load } from "./growth_load.ts";
import type { FleetWorld } from "./fleet_world.ts";
import { deployHello } from "./payments_world.ts";
import { atMost, median, type Report } from "./report.ts";

/** A third of them at each provider. */
const DEPLOYMENTS = 24;
const CONNECTIONS = 24;
const ROUNDS = 6;
const SECONDS = 3;
const WARM_SECONDS = 4;
const LOST_MOST = 15;

/** Calls that were answered a second. */
type Side = (seconds: number) => Promise<number>;

export async function measureSandboxes({ fleet, loneHome }: FleetWorld): Promise<Report> {
  await using stack = new AsyncDisposableStack();
  const { market, nodes, url } = fleet;
  const cids = await Array.fromAsync({ length: DEPLOYMENTS }, () => deployHello(market));
  const paths = cids.map((cid) => `/${cid}`);
  for (const node of nodes) {
    await node.start();
    stack.defer(async () => void await node.process.stop());
  }
  const lone: string[] = [];
  for (const _ of nodes) {
    const process = await startChildProvider(await loneHome(), { logLevel: "info" });
    stack.defer(() => process.kill());
    lone.push((await process.url)!);
  }
  const behind: Side = (seconds) => served({ url, paths, connections: CONNECTIONS, seconds });
  const apart: Side = async (seconds) => {
    const connections = CONNECTIONS / lone.length;
    const all = await Promise.all(lone.map((url, at) => {
      const own = paths.filter((_, path) => path % lone.length === at);
      return served({ url, paths: own, connections, seconds });
    }));
    return all.reduce((sum, each) => sum + each, 0);
  };
  const found = await inTurns({ apart, behind });
  const lost = median(found.map(({ apart, behind }) => 100 * (1 - behind / apart)));
  const about = { what: "sandbox run", c: CONNECTIONS };
  return {
    rows: [
      { ...about, ledger: "three providers", "calls/s": median(found.map(({ apart }) => apart)) },
      {
        ...about,
        ledger: "three nodes behind HAProxy",
        "calls/s": median(found.map(({ behind }) => behind)),
      },
    ],
    must: [atMost("three nodes behind HAProxy, by three providers", lost, "% lost", LOST_MOST)],
  };
}

async function inTurns(sides: { apart: Side; behind: Side }) {
  const found: { apart: number; behind: number }[] = [];
  for (const side of [sides.apart, sides.behind]) await side(WARM_SECONDS);
  for (let round = 0; round < ROUNDS; round++) {
    const apart = await sides.apart(SECONDS);
    found.push({ apart, behind: await sides.behind(SECONDS) });
  }
  return found;
}

async function served(asked: Parameters<typeof load>[0]): Promise<number> {
  const { perSecond, share } = await load(asked);
  if (share < 0.99) throw new Error(`${asked.url} answered ${100 * share} % of its calls`);
  return perSecond;
}
