/**
 * Readers of the documents: people who paste its commands, block after block, into shells of their
 * own, each beginning with an empty home, on one machine with the packaged file, a chain and an
 * IPFS node. What a document leaves to its reader (a name, money, the text of the terms) they do,
 * and what they can't have here (systemd, another user, the web) they replace.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Address } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { connect } from "../../lib/chain/client.ts";
import { readDeployments } from "../../lib/client/deployments_file.ts";
import { readConfig } from "../../lib/config.ts";
import { KhachapuriError } from "../../lib/errors.ts";
import { readKeyFile } from "../../lib/spec/keys.ts";
import { buildPackage } from "../../tools/package.ts";
import { startAnvil } from "../chain/anvil.ts";
import { giveEther } from "../chain/anvil_calls.ts";
import { freePort } from "../free_port.ts";
import { makeFolder } from "../home.ts";
import { startGateway, type TestGateway } from "../ipfs/gateway.ts";
import type { Block } from "./blocks.ts";

const CLONE = fileURLToPath(new URL("../../", import.meta.url));
const STAND_INS = fileURLToPath(new URL("bin/", import.meta.url));
/** What the documents call the provider. */
const NAME = "paolo.eth";

/** What a block came to. */
export interface Pasted {
  readonly code: number;
  readonly said: string;
}

export interface Readers extends AsyncDisposable {
  /** Runs a block as whom it is for, where the last one of theirs ended. */
  paste(block: Block): Promise<Pasted>;
  /** Stops the provider that serves, as at the end of a document. */
  stopServing(): Promise<void>;
}

interface Machine {
  readonly dir: string;
  readonly rpc: string;
  readonly gateway: TestGateway;
  /** Where the provider listens. */
  readonly port: number;
  /** Addresses that were given coin and USDC. */
  readonly paid: Set<Address>;
  /** The line that `register --print` told last. */
  registration: string;
}

export async function openReaders(): Promise<Readers> {
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  const anvil = stack.use(await startAnvil());
  const gateway = stack.use(await startGateway());
  for (const folder of ["bin", "run", "usr/local/bin", "etc/systemd/system", "var/lib"]) {
    await Deno.mkdir(join(dir, folder), { recursive: true });
  }
  await buildPackage(join(dir, "bin", "khachapuri"));
  const machine: Machine = {
    dir,
    rpc: anvil.url,
    gateway,
    // The name says where the provider listens before it does.
    port: freePort(),
    paid: new Set(),
    registration: "",
  };
  const stopServing = async () => void await shell(machine, "server", "stop-behind");
  stack.defer(stopServing);
  const owned = stack.move();
  return {
    async paste({ text, person }) {
      const pasted = await shell(machine, person!, await asPasted(machine, text));
      const [, line] = /^ *(khachapuri register \S+ --domain .*)$/m.exec(pasted.said) ?? [];
      if (line) machine.registration = line;
      await giveMoney(machine);
      return pasted;
    },
    stopServing,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** All that is pasted otherwise than it is written, and why. */
async function asPasted(machine: Machine, text: string): Promise<string> {
  const { dir, rpc, gateway, port } = machine;
  const { escrow, registry } = await contractsOf(machine) ?? {};
  const own = `http://localhost:${port}`;
  const owner = await addressIn(homeOf(machine, "owner")) ?? "";
  const changes: [string | RegExp, string][] = [
    // The chain is one of the reader's own, whose contracts do not ship with us.
    ["--rpc https://rpc.example", `--rpc ${rpc} --escrow ${escrow} --registry ${registry}`],
    ["http://127.0.0.1:8545", rpc],
    ["https://ipfs.example", gateway.url],
    ["http://127.0.0.1:5001", gateway.kuboUrl],
    // No proxy with a certificate stands before the provider.
    ["--domain https://paolo.example", `--domain ${own} --listen 127.0.0.1:${port}`],
    ["https://paolo.example", own],
    ["https://CID.paolo.example", `http://CID.localhost:${port}`],
    // What the reader puts in.
    [/0xYour(s|ProviderKey)\b/g, owner],
    [/0xYour\w+/g, privateKeyToAccount(generatePrivateKey()).address],
    [`khachapuri register ${NAME} …`, machine.registration],
    [/\bCID\b/g, await lastDeployment(machine) ?? "CID"],
    // The machine of the reader stays as it is.
    [/\/(usr\/local|etc\/systemd|var\/lib)\//g, `${dir}/$1/`],
    // There is nobody to answer the question about the terms, and others to go on with.
    [/^khachapuri deploy .*$/gm, "$& --accept-terms"],
    [/^khachapuri serve$/gm, "behind $&"],
  ];
  return changes.reduce((pasted, [from, to]) => pasted.replaceAll(from, to), text);
}

/** The readers' shells: each goes on in the folder in which its last block ended. */
async function shell(machine: Machine, person: string, text: string): Promise<Pasted> {
  const home = join(machine.dir, "home", person);
  const place = join(home, ".place");
  if (!await exists(home)) await moveIn(machine, person, home);
  const script = `cd "$(cat '${place}')"\n${text}\npwd >'${place}'\n`;
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-euc", script],
    clearEnv: true,
    env: {
      HOME: home,
      MACHINE: machine.dir,
      NO_COLOR: "1",
      PATH: `${STAND_INS}:${join(machine.dir, "bin")}:/usr/sbin:/usr/bin:/sbin:/bin`,
      RUN: join(machine.dir, "run"),
      XDG_CACHE_HOME: join(machine.dir, "cache"),
    },
    stdin: "null",
  }).output();
  const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  return { code, said };
}

/** Into an empty home; who is no provider has a clone, the server has got the file. */
async function moveIn(machine: Machine, person: string, home: string): Promise<void> {
  await Deno.mkdir(home, { recursive: true });
  const isServer = person === "server";
  await Deno.writeTextFile(join(home, ".place"), isServer ? home : CLONE);
  if (isServer) await Deno.copyFile(join(machine.dir, "bin/khachapuri"), join(home, "khachapuri"));
}

/** Everybody who has an account by now gets coin and USDC, and the provider key its name. */
async function giveMoney(machine: Machine): Promise<void> {
  if (!await contractsOf(machine)) return;
  const people = await Array.fromAsync(Deno.readDir(join(machine.dir, "home")));
  const homes = people.map(({ name }) => homeOf(machine, name));
  const chain = await connect(machine.rpc);
  for (const home of [...homes, join(machine.dir, "var/lib/khachapuri")]) {
    const address = await addressIn(home);
    if (!address || machine.paid.has(address)) continue;
    machine.paid.add(address);
    await giveEther(chain, address);
    await founder(machine, `khachapuri contracts mint 100 --to ${address}`);
    if (home !== homeOf(machine, "owner")) continue;
    await founder(machine, `khachapuri assign ${NAME} ${address}`);
  }
}

async function founder(machine: Machine, command: string): Promise<void> {
  const { code, said } = await shell(machine, "founder", command);
  if (code !== 0) throw new Error(`${command}: ${said}`);
}

/** The contracts that the founder has put on the chain. */
async function contractsOf(machine: Machine) {
  const { contracts } = await readConfig(homeOf(machine, "founder"));
  return Object.values(contracts)[0];
}

/** README's reader is a newcomer, whose provider is not the one of the documents behind it. */
async function lastDeployment(machine: Machine): Promise<string | undefined> {
  const homes = ["newcomer", "developer"].map((person) => homeOf(machine, person));
  return (await Promise.all(homes.map(readDeployments))).flat().at(-1)?.cid;
}

function homeOf({ dir }: Machine, person: string): string {
  return join(dir, "home", person, ".khachapuri");
}

async function addressIn(home: string): Promise<Address | null> {
  const keys = await readKeyFile(join(home, "keys.json")).catch((error) => {
    if (error instanceof KhachapuriError && error.code === "not_found") return null;
    throw error;
  });
  return keys?.account ? privateKeyToAccount(keys.account).address : null;
}

function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}
