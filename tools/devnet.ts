/**
 * `deno task devnet`: keeps a local world running, with a provider that serves, a developer who
 * has deployed samples/hello and pays for it, and a caller with money; prints what to paste in a
 * second terminal. Ctrl-C ends it and leaves nothing behind.
 */
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { type LocalWorld, NAME, startLocalWorld } from "./local_world.ts";
import { print } from "./print.ts";

const HELLO = fileURLToPath(new URL("../samples/hello", import.meta.url));

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

function instructions(world: LocalWorld, cid: string): string[] {
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
    `  export KHACHAPURI_HOME=${world.home("developer")}`,
    "  deno task khachapuri balance",
    `  deno task khachapuri resolve ${NAME}`,
    `  deno task khachapuri call --pay '${NAME}/${cid}?Nino'`,
    `  deno task deploy-spec samples/words --provider ${NAME}`,
    "",
    "Without a deno on PATH, write `npx -y deno@2.9.6` for `deno`. Ctrl-C ends this world.",
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
  for (const line of instructions(world, cid)) print(line);
  await stop.promise;
}

if (import.meta.main) await main();
