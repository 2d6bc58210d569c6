/**
 * `deno task devnet`: keeps a local world running, with a provider that serves, a developer who
 * has deployed samples/hello and pays for it, and a caller with money; prints what to paste in a
 * second terminal. Ctrl-C ends it and leaves nothing behind.
 *
 * `--connect-to HOST:PORT:ADDRESS:PORT` lets programs call that host, which they find at that
 * address: a server of yours on this machine, which no program reaches unless you say so. It can
 * be repeated.
 */
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connectToOf } from "../lib/cli/program_flags.ts";
import { commandFromSource } from "../worlds/command_line.ts";
import { type LocalWorld, NAME, startLocalWorld } from "../worlds/local_world.ts";
import { print, stop } from "./print.ts";

const SAMPLES = fileURLToPath(new URL("../samples/", import.meta.url));
export const HELLO = join(SAMPLES, "hello");

/** Registers the provider and starts it, as it would do itself. */
export async function openProvider(world: LocalWorld): Promise<void> {
  await world.ask("root", "assign", NAME, world.addresses.provider);
  const coldKey = join(world.home("provider"), "provider-key.json");
  await world.ask("provider", "register", "--keys", coldKey);
  await world.serve();
}

/** Lets developer and caller pay the provider. */
export async function openAllowances(world: LocalWorld): Promise<void> {
  for (const person of ["developer", "caller"] as const) {
    await world.ask(person, "deposit", "20");
    await world.ask(person, "allow", NAME, "--credits", "1000");
  }
}

async function openDeployment(world: LocalWorld): Promise<string> {
  const flags = ["--provider", NAME, "--accept-terms"];
  const { cid } = await world.ask<{ cid: string }>("developer", "deploy", HELLO, ...flags);
  return cid;
}

/** A folder with the command line in it, for shells that have no deno on PATH. */
export async function writeCommand(world: LocalWorld): Promise<string> {
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
    "",
    `open ${world.webDomain}/ and ${world.webDomain}/pay in a browser,`,
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
    "samples/README.md has more, also programs that call servers of yours (--connect-to).",
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

const USAGE = `usage: deno task devnet [--connect-to HOST:PORT:ADDRESS:PORT]...

Keeps a local world running until Ctrl-C: a chain with USDC, an IPFS node, a provider that serves,
a developer and a caller with money.

  --connect-to HOST:PORT:ADDRESS:PORT  lets programs call that host, which they find at that
                                       address, also of this machine; repeat it for several`;

/**
 * Hosts that programs find at an address of this machine.
 * @returns null where help is asked for
 */
function readFlags(args: string[]): Record<string, string> | null {
  const options = {
    "connect-to": { type: "string", multiple: true },
    help: { type: "boolean", short: "h" },
  } as const;
  try {
    const { values } = parseArgs({ args, options });
    return values.help ? null : connectToOf(values["connect-to"] ?? []);
  } catch (error) {
    stop([`devnet: ${(error as Error).message}`, "see deno task devnet --help"]);
  }
}

async function main(args: string[]): Promise<void> {
  const connectTo = readFlags(args);
  if (connectTo === null) return print(USAGE);
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => stop.abort());
  }
  try {
    await keepWorld(connectTo, stop.signal);
  } catch (error) {
    // While a world is made, Ctrl-C ends it at the next line, and what was making it.
    if (!stop.signal.aborted) throw error;
  }
}

/** Makes a world, tells of it and keeps it until the signal. */
async function keepWorld(connectTo: Record<string, string>, stop: AbortSignal): Promise<void> {
  const tell = (line: string) => {
    stop.throwIfAborted();
    print(line);
  };
  await using world = await startLocalWorld({
    log: "inherit",
    settlement: { intervalSeconds: 5 },
    hearsInterrupt: true,
    connectTo,
    tell,
  });
  await openProvider(world);
  tell(`provider   ${world.webDomain} (${NAME})`);
  for (const [host, address] of Object.entries(connectTo)) tell(`${host} is at ${address}`);
  await openAllowances(world);
  const cid = await openDeployment(world);
  tell(`deployment ${cid} (samples/hello)`);
  for (const line of instructions(world, cid, await writeCommand(world))) print(line);
  if (!stop.aborted) await new Promise((resolve) => stop.addEventListener("abort", resolve));
}

if (import.meta.main) await main(Deno.args);
