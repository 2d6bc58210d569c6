/** Whether nodes wait for each other where they share a payer: three on one, and three on three. */
import { caller, measure, rateRatio, type Target } from "./call_rounds.ts";
import type { FleetWorld } from "./fleet_world.ts";
import { deployHello, startServers } from "./payments_world.ts";
import { atLeast, median, type Report } from "./report.ts";

const CONCURRENCY = 48;
const [ONE_PAYER, THREE_PAYERS] = ["one payer", "three payers"];
const LEAST = 0.85;

export async function measureNodes({ fleet: { market }, nodeHome }: FleetWorld): Promise<Report> {
  const { owner, payer, stranger } = market.accounts;
  const cids: string[] = [];
  for (const each of [owner, payer, stranger]) cids.push(await deployHello(market, each));
  const nodes = [];
  for (const _ of cids) nodes.push(await startServers({ home: await nodeHome() }));
  const own = nodes.map(({ urls }, at) => caller("", `${urls.paid}/${cids[at]}`));
  const shared = nodes.map(({ urls }) => caller("", `${urls.paid}/${cids[0]}`));
  try {
    const found = await measure(
      [inTurn(THREE_PAYERS!, own), inTurn(ONE_PAYER!, shared)],
      CONCURRENCY,
    );
    const ratio = rateRatio(found, ONE_PAYER!, THREE_PAYERS);
    return {
      rows: [...found].map(([name, { rates }]) => ({
        what: `nothing run, three nodes on ${name}`,
        ledger: "PostgreSQL",
        c: CONCURRENCY,
        "calls/s": median(rates),
      })),
      must: [atLeast("three nodes on one payer", ratio, "of three on three", LEAST)],
    };
  } finally {
    for (const { worker } of nodes) worker.terminate();
  }
}

/** One after the other is called, whoever calls. */
function inTurn(name: string, targets: readonly Target[]): Target {
  let at = 0;
  return { name, once: () => targets[at++ % targets.length]!.once() };
}
