/**
 * What it costs a provider to be several nodes on one PostgreSQL: a credit by one of SQLite's, by
 * the ledgers alone and as served, nodes that share a payer, real programs behind HAProxy, a node
 * that is killed, and a start on a long journal. `--json` prints the same for machines;
 * `--only=PART,PART` measures some of it.
 */
import { measureKill } from "./fleet_kill.ts";
import { measureLedgers } from "./fleet_ledgers.ts";
import { measureMoney } from "./fleet_money.ts";
import { measureNodes } from "./fleet_nodes.ts";
import { measureSandboxes } from "./fleet_sandboxes.ts";
import { measureStart } from "./fleet_start.ts";
import { openFleetWorld } from "./fleet_world.ts";
import { printReport, type Report } from "./report.ts";

const PARTS = {
  ledgers: measureLedgers,
  money: measureMoney,
  nodes: measureNodes,
  sandboxes: measureSandboxes,
  kill: measureKill,
  start: measureStart,
};

const only = Deno.args.find((argument) => argument.startsWith("--only="))?.slice(7).split(",");
await using world = await openFleetWorld();
const reports: Report[] = [];
for (const [name, measure] of Object.entries(PARTS)) {
  if (only?.includes(name) ?? true) reports.push(await measure(world));
}
printReport({
  rows: reports.flatMap(({ rows }) => rows),
  must: reports.flatMap(({ must }) => must),
});
