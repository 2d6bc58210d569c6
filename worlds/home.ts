/** Homes of people on disk: what the command line reads there, and the command line run in one. */
import { join } from "node:path";
import type { Hex } from "viem";
import { runCli } from "../lib/cli/cli.ts";
import { writeKeyFile } from "../lib/spec/keys.ts";
import type { EscrowChain } from "./chain/escrow_chain.ts";
import { fakeWorld, type FakeWorldOptions } from "./terminal.ts";

/** What one command came to. */
export interface Outcome {
  code: number;
  out: string;
  err: string;
  /** What it printed under `--json`; null without. */
  // deno-lint-ignore no-explicit-any
  readonly json: any;
  /** The same where it prints any number of documents, each in one line. */
  // deno-lint-ignore no-explicit-any
  readonly rows: any[];
}

export interface Folder extends AsyncDisposable {
  readonly dir: string;
}

export interface Home extends Folder {
  run(...args: string[]): Promise<Outcome>;
}

/** A new folder of one world; programs run as another uid and pass through it to their files. */
export async function makeFolder(): Promise<Folder> {
  const dir = await Deno.makeTempDir({ prefix: "khachapuri-" });
  await Deno.chmod(dir, 0o711);
  return { dir, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

/** Does `work` in such a folder, gone afterwards. */
export async function inFolder(work: (dir: string) => Promise<void>): Promise<void> {
  await using folder = await makeFolder();
  await work(folder.dir);
}

/** What a configuration says of a chain and our contracts there. */
export function chainConfig(
  { rpc, chain, escrow, registry }: Pick<EscrowChain, "rpc" | "chain" | "escrow" | "registry">,
) {
  return { rpc, contracts: { [String(chain.chainId)]: { escrow, registry } } };
}

/** Writes the home's config.json anew, as `change` makes it of what is there, if anything is. */
export async function changeConfig(
  home: string,
  // deno-lint-ignore no-explicit-any
  change: (config: any) => Record<string, unknown>,
): Promise<void> {
  const path = join(home, "config.json");
  const text = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "{}";
    throw error;
  });
  await Deno.writeTextFile(path, `${JSON.stringify(change(JSON.parse(text)), null, 2)}\n`);
}

/**
 * Makes a home with this config.json.
 * @param keys private keys by the name of their file; commands use "keys.json" unless told
 */
export async function openHome(
  config: Record<string, unknown>,
  keys: Readonly<Record<string, Hex>>,
): Promise<Home> {
  const folder = await makeFolder();
  await Deno.writeTextFile(join(folder.dir, "config.json"), JSON.stringify(config));
  for (const [name, account] of Object.entries(keys)) {
    await writeKeyFile(join(folder.dir, name), { version: 1, account });
  }
  return { ...folder, run: (...args) => runIn(folder.dir, args) };
}

/** Runs a command in the home at `dir`, within this process. */
export async function runIn(
  dir: string,
  [command = "", ...rest]: readonly string[],
  terminal: FakeWorldOptions = {},
): Promise<Outcome> {
  const world = fakeWorld([command, "--home", dir, ...rest], terminal);
  const code = await runCli(world);
  const out = world.stdoutText();
  const isJson = rest.includes("--json");
  return {
    code,
    out,
    err: world.stderrText(),
    get json() {
      return isJson ? JSON.parse(out) : null;
    },
    get rows() {
      return isJson ? out.split("\n").slice(0, -1).map((line) => JSON.parse(line)) : [];
    },
  };
}
