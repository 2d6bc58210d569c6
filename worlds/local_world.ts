/**
 * A whole Khachapuri world on loopback, made by the command line as people use it: a chain with
 * the real USDC, an IPFS node, one provider, a developer and a caller with homes and money of
 * their own. The devnet keeps it, the demo walks through it, tests start the packaged file in it.
 */
import { join } from "node:path";
import type { Address } from "viem";
import { mintUsdc } from "../lib/chain/circle_usdc.ts";
import { connect } from "../lib/chain/client.ts";
import { readUsdcBalance } from "../lib/chain/usdc.ts";
import { writeKeyFile } from "../lib/spec/keys.ts";
import { startAnvil } from "./chain/anvil.ts";
import { giveEther } from "./chain/anvil_calls.ts";
import { ACCOUNTS, privateKeyOf } from "./chain/people.ts";
import type { UsdcChain } from "./chain/usdc_chain.ts";
import { commandUnderTest } from "./command_line.ts";
import { freePort } from "./free_port.ts";
import { chainConfig, changeConfig, makeFolder } from "./home.ts";
import { startGateway, type TestGateway } from "./ipfs/gateway.ts";

/** Everybody in this world; each has a home. "root" owns the names. */
export type Person = "root" | "provider" | "developer" | "caller";

export const NAME = "paolo.khachapuri";
const PRICE_USDC = "0.001";
const THAWING_SECONDS = "3600";

export interface Said {
  code: number;
  stdout: string;
  stderr: string;
}

export interface LocalWorld extends UsdcChain {
  readonly dir: string;
  readonly gateway: TestGateway;
  readonly escrow: Address;
  readonly registry: Address;
  /** The provider's URL, as its name says. */
  readonly webDomain: string;
  readonly addresses: Readonly<Record<"provider" | "operator" | "developer" | "caller", Address>>;
  home(person: Person): string;
  /** Runs one command in a person's home; never throws for its exit code. */
  run(person: Person, ...args: string[]): Promise<Said>;
  /** Like `run` with `--json`, throwing what it said when it fails. */
  ask<T = Record<string, unknown>>(person: Person, ...args: string[]): Promise<T>;
  /** Starts `serve` in the provider's home, anew where it runs, and waits until it listens. */
  serve(): Promise<void>;
  /** Ends it, as an operator does. */
  stop(): Promise<void>;
  /** USDC in somebody's wallet, base units. */
  wallet(address: Address): Promise<bigint>;
}

export interface LocalWorldOptions {
  /** The command line under test; by default that of all tests. */
  command?: readonly string[];
  /** Where the provider's log goes. */
  log?: "inherit" | "null";
  /** The provider's section "settlement"; by default every call is settled before it runs. */
  settlement?: Record<string, unknown>;
  /** Where programs find hosts that they may call: host:port to address:port, also of loopback. */
  connectTo?: Readonly<Record<string, string>>;
  /** Whether its starter hears Ctrl-C, and ends it. */
  hearsInterrupt?: boolean;
  /** Lines about what is being made. */
  tell?: (line: string) => void;
}

/** Starts it; nothing is registered, allowed or deployed yet. Dispose of it to end it all. */
export async function startLocalWorld(options: LocalWorldOptions = {}): Promise<LocalWorld> {
  const tell = options.tell ?? (() => {});
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  const anvil = stack.use(await startAnvil({ isOwnGroup: options.hearsInterrupt ?? false }));
  const chain = await connect(anvil.url);
  tell(`chain      ${anvil.url} (anvil, chain id ${chain.chainId})`);
  const gateway = stack.use(await startGateway());
  tell(`ipfs       ${gateway.url} (trustless gateway and Kubo RPC)`);
  const command = options.command ?? commandUnderTest();
  const home = (person: Person) => join(dir, person);
  const run = (person: Person, ...args: string[]) => runCommand(command, home(person), args);
  const ask = async <T>(person: Person, ...args: string[]) => {
    const said = await run(person, ...args, "--json");
    if (said.code === 0) return JSON.parse(said.stdout) as T;
    throw new Error(`${person}: ${args.join(" ")}: ${said.code}\n${said.stdout}${said.stderr}`);
  };
  const contracts = await deployContracts(anvil.url, home("root"), ask);
  const { usdc } = contracts;
  tell(`usdc       ${usdc} (FiatTokenV2_2)`);
  tell(`escrow     ${contracts.escrow}`);
  tell(`registry   ${contracts.registry}`);
  const base = {
    ...contracts,
    rpc: anvil.url,
    chain,
    mint: ({ address }: { address: Address }, amount: bigint) =>
      mintUsdc(chain, ACCOUNTS.deployer, usdc, address, amount),
    stopChain: anvil.stop,
    dir,
    gateway,
    home,
    run,
    ask,
  };
  const { settlement = { mode: "each" }, connectTo = {} } = options;
  const egress = { hosts: ["*:443", ...Object.keys(connectTo)], connectTo };
  const people = await makePeople(base, { settlement, egress });
  tell("people     provider, developer and caller have homes; the latter two 100 USDC each");

  const serving = stack.adopt<{ child?: Deno.ChildProcess }>({}, ended);
  const owned = stack.move();
  return {
    ...base,
    ...people,
    async serve() {
      await ended(serving);
      serving.child = await startServe(command, home("provider"), options.log ?? "null");
    },
    stop: () => ended(serving),
    wallet: (address) => readUsdcBalance(chain, usdc, address),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function ended(serving: { child?: Deno.ChildProcess }): Promise<void> {
  const { child } = serving;
  delete serving.child;
  child?.kill("SIGTERM");
  await child?.status;
}

type Ask = LocalWorld["ask"];

/** Puts USDC and our contracts on the chain, as "root" does it by the command line. */
async function deployContracts(rpc: string, home: string, ask: Ask) {
  const account = privateKeyOf(ACCOUNTS.deployer);
  await writeKeyFile(join(home, "keys.json"), { version: 1, account });
  const deploy = ["contracts", "deploy", "--rpc", rpc];
  const terms = ["--with-usdc", "--thawing", THAWING_SECONDS];
  type Deployed = Record<"escrow" | "registry" | "usdc", Address>;
  const { escrow, registry, usdc } = await ask<Deployed>("root", ...deploy, ...terms);
  return { escrow, registry, usdc };
}

/** Homes that know this world, ETH for all of them, and USDC for those who pay. */
async function makePeople(
  world: Omit<LocalWorld, "webDomain" | "addresses" | "serve" | "stop" | "wallet" | symbol>,
  settings: Record<string, unknown>,
): Promise<Pick<LocalWorld, "webDomain" | "addresses">> {
  const { rpc, chain, gateway, home, ask, mint } = world;
  const places = ["--rpc", rpc, "--gateway", gateway.url, "--kubo", gateway.kuboUrl];
  // A name is registered with its port in it before `serve` can choose one.
  const webDomain = `http://localhost:${freePort()}`;
  const listen = webDomain.replace("http://localhost", "127.0.0.1");
  const init = ["init", "--provider", NAME, "--domain", webDomain, "--listen", listen];
  const offer = ["--price", PRICE_USDC, "--address", "new"];
  type Made = Record<"address" | "operator", Address>;
  const provider = await ask<Made>("provider", ...init, ...offer, ...places);
  await Deno.writeTextFile(join(home("provider"), "terms.txt"), "Be kind.\n");
  const developer = await ask<{ address: Address }>("developer", "init", ...places);
  const caller = await ask<{ address: Address }>("caller", "init", ...places);
  // What `init` has no flags for: contracts that only this world knows, ways to settle.
  for (const person of ["root", "provider", "developer", "caller"] as const) {
    await changeConfig(home(person), (config) => ({ ...config, ...chainConfig(world) }));
  }
  await changeConfig(home("provider"), ({ provider, ...config }) => ({
    ...config,
    provider: { ...provider, ...settings },
  }));
  const addresses = {
    provider: provider.address,
    operator: provider.operator,
    developer: developer.address,
    caller: caller.address,
  };
  for (const address of Object.values(addresses)) await giveEther(chain, address);
  for (const account of [developer, caller]) await mint(account, 100_000_000n);
  return { webDomain, addresses };
}

async function runCommand(
  [program, ...flags]: readonly string[],
  home: string,
  args: readonly string[],
): Promise<Said> {
  const { code, stdout, stderr } = await new Deno.Command(program!, {
    args: [...flags, ...args],
    env: { KHACHAPURI_HOME: home, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Starts `serve` in a home; resolves when it listens. */
export async function startServe(
  [program, ...flags]: readonly string[],
  home: string,
  log: "inherit" | "null",
): Promise<Deno.ChildProcess> {
  const child = new Deno.Command(program!, {
    args: [...flags, "serve"],
    env: { KHACHAPURI_HOME: home, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const complaints = readLog(child.stderr, log);
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).values();
  for (let text = ""; !text.includes("listening on ");) {
    const { done, value } = await lines.next();
    if (done) throw new Error(`serve ended: ${await complaints}`);
    text += value;
  }
  return child;
}

/** Passes the log on; keeps its beginning for the case that the start fails. */
async function readLog(
  stream: ReadableStream<Uint8Array>,
  log: "inherit" | "null",
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    if (log === "inherit") Deno.stderr.writeSync(chunk);
    if (text.length < 4_000) text += decoder.decode(chunk, { stream: true });
  }
  return text;
}
