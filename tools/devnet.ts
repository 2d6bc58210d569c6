/**
 * `deno task devnet`: keeps a local world running, with a provider that serves, a developer who
 * has deployed samples/hello and pays for it, and a caller with money; prints what to paste in a
 * second terminal. Ctrl-C ends it and leaves nothing behind.
 */
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import {
  commandFromSource,
  type LocalWorld,
  NAME,
  startLocalWorld,
} from "../worlds/local_world.ts";
import { print } from "./print.ts";

const SAMPLES = fileURLToPath(new URL("../samples/", import.meta.url));
const HELLO = join(SAMPLES, "hello");

/** Registers the provider and starts it, as it would do itself. */
export async function openProvider(world: LocalWorld): Promise<void> {
  await world.ask("root", "assign", NAME, world.addresses.provider);
  const coldKey = join(world.home("provider"), "provider-key.json");
  await world.ask("provider", "register", "--keys", coldKey);
  await world.serve();
}

async function openDeployment(world: LocalWorld): Promise<string> {
  await world.ask("developer", "deposit", "20");
  await world.ask("developer", "allow", NAME, "--credits", "1000");
  await world.ask("caller", "deposit", "20");
  await world.ask("caller", "allow", NAME, "--credits", "1000");
  const flags = ["--provider", NAME, "--accept-terms"];
  const { cid } = await world.ask<{ cid: string }>("developer", "deploy", HELLO, ...flags);
  return cid;
}

/** A folder with the command line in it, for shells that have no deno on PATH. */
async function writeCommand(world: LocalWorld): Promise<string> {
  const folder = join(world.dir, "bin");
  const words = commandFromSource().map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  await Deno.mkdir(folder);
  const script = `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`;
  await Deno.writeTextFile(join(folder, "khachapuri"), script, { mode: 0o755 });
  return folder;
}

function instructions(world: LocalWorld, cid: string, commandFolder: string): string[] {
  return [
    "",
    "Everything runs. In a second terminal:",
    "",
    `  curl -i '${world.webDomain}/${cid}?Nino'`,
    `  curl -i http://${cid}.${new URL(world.webDomain).host}/`,
    `  curl ${world.webDomain}/`,
    "",
    "and with the command line, as the developer (caller, provider: other homes beside it):",
    "",
    `  export PATH=${commandFolder}:$PATH`,
    `  export KHACHAPURI_HOME=${world.home("developer")}`,
    "  khachapuri balance",
    `  khachapuri resolve ${NAME}`,
    `  khachapuri call --pay '${NAME}/${cid}?Nino'`,
    `  khachapuri deploy ${join(SAMPLES, "words")} --provider ${NAME} --accept-terms`,
    "",
    "To be a provider, too: make a home, be given a name, get coin for gas (also for the operator),",
    "then `register` and `serve` as init says.",
    "",
    "  khachapuri init --home /tmp/nino --provider nino.khachapuri --price 0.002 \\",
    `    --domain http://localhost:8402 --address new --rpc ${world.rpc} \\`,
    `    --gateway ${world.gateway.url} --escrow ${world.escrow} --registry ${world.registry}`,
    `  khachapuri assign nino.khachapuri ADDRESS --home ${world.home("root")}`,
    `  curl ${world.rpc} -H 'content-type: application/json' -d '{"jsonrpc":"2.0","id":1,` +
    `"method":"anvil_setBalance","params":["ADDRESS","0xde0b6b3a7640000"]}'`,
    "",
    "Ctrl-C ends this world.",
  ];
}

async function main(): Promise<void> {
  const stop = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => stop.resolve());
  }
  await using world = await startLocalWorld({
    log: "inherit",
    settlement: { intervalSeconds: 5 },
    tell: print,
  });
  await openProvider(world);
  print(`provider   ${world.webDomain} (${NAME})`);
  const cid = await openDeployment(world);
  print(`deployment ${cid} (samples/hello)`);
  for (const line of instructions(world, cid, await writeCommand(world))) print(line);
  await stop.promise;
}

if (import.meta.main) await main();
