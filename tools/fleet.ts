/**
 * `deno task fleet`: keeps a local world whose provider is three nodes behind a HAProxy, with a
 * PostgreSQL and its synchronous standby, and says how to look at it and what to break. A line on
 * its input has the standby take the primary's place. Ctrl-C ends it and leaves nothing behind.
 */
import { join } from "node:path";
import { type LocalFleet, startLocalFleet } from "../worlds/local_fleet.ts";
import { type LocalWorld, NAME, startLocalWorld } from "../worlds/local_world.ts";
import { HELLO, openAllowances, writeCommand } from "./devnet.ts";
import { print } from "./print.ts";

async function register(world: LocalWorld): Promise<void> {
  await world.ask("root", "assign", NAME, world.addresses.provider);
  const coldKey = join(world.home("provider"), "provider-key.json");
  await world.ask("provider", "register", "--keys", coldKey);
}

function instructions(
  world: LocalWorld,
  { nodes }: LocalFleet,
  cid: string,
  commandFolder: string,
): string[] {
  const [first] = nodes;
  return [
    "",
    "A whole fleet runs. In a second terminal:",
    "",
    `  export PATH=${commandFolder}:$PATH`,
    `  curl -i '${world.webDomain}/${cid}?Nino'`,
    ...nodes.map(({ url }) => `  curl -s '${url}/${cid}?Nino'`),
    `  khachapuri fleet --home ${first!.home}`,
    `  khachapuri doctor --home ${first!.home}`,
    `  khachapuri settle --home ${first!.home}`,
    "",
    "What to break: a node begins again after two seconds, calls go on at the others.",
    "",
    `  kill -9 ${first!.pid}`,
    "",
    "Press Enter here, and the primary is killed: the standby takes its place.",
    "Ctrl-C ends this world.",
  ];
}

async function main(): Promise<void> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => stop.abort());
  }
  try {
    await keepFleet(stop.signal);
  } catch (error) {
    // While a world is made, Ctrl-C ends it at the next line, and what was making it.
    if (!stop.signal.aborted) throw error;
  }
}

async function keepFleet(stop: AbortSignal): Promise<void> {
  const tell = (line: string) => {
    stop.throwIfAborted();
    print(line);
  };
  await using world = await startLocalWorld({
    settlement: { intervalSeconds: 5 },
    hearsInterrupt: true,
    tell,
  });
  await register(world);
  // A terminal's Ctrl-C ends the nodes, too.
  const tellOfNodes = (line: string) => stop.aborted || print(line);
  await using fleet = await startLocalFleet(world, { log: "inherit", tell: tellOfNodes });
  await openAllowances(world);
  const flags = ["--provider", NAME, "--accept-terms"];
  const { cid } = await world.ask<{ cid: string }>("developer", "deploy", HELLO, ...flags);
  tell(`deployment ${cid} (samples/hello)`);
  for (const line of instructions(world, fleet, cid, await writeCommand(world))) print(line);
  void failOver(fleet, stop);
  if (!stop.aborted) await new Promise((resolve) => stop.addEventListener("abort", resolve));
}

/** With each line that is typed. */
async function failOver({ pair }: LocalFleet, stop: AbortSignal): Promise<void> {
  for await (const _ of Deno.stdin.readable) {
    if (stop.aborted) return;
    print("the primary is killed");
    await pair.failover();
    print(`the primary is 127.0.0.1:${pair.primary.port} now, its standby :${pair.standby.port}`);
  }
}

if (import.meta.main) await main();
