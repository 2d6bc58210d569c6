/**
 * A whole Khachapuri world on loopback, made by the command line as people use it: a chain with
 * the real USDC, an IPFS node, one provider, a developer and a caller with homes and money of
 * their own. The devnet keeps it, the demo walks through it, tests start the packaged file in it.
 */
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { type Address, type Hex, toHex } from "viem";
import { type Chain, connect } from "../lib/chain/client.ts";
import { readUsdcBalance } from "../lib/chain/usdc.ts";
import { writeKeyFile } from "../lib/spec/keys.ts";
import { anvilAccount, startAnvil } from "./chain/anvil.ts";
import { startGateway, type TestGateway } from "./ipfs/gateway.ts";
import { deployUsdc, mintUsdc } from "./chain/usdc.ts";
import { PERMISSIONS } from "../tools/permissions.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

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

export interface LocalWorld extends AsyncDisposable {
  readonly dir: string;
  readonly rpc: string;
  readonly chain: Chain;
  readonly gateway: TestGateway;
  readonly usdc: Address;
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
  /** Starts `serve` in the provider's home and waits until it listens. */
  serve(): Promise<void>;
  /** USDC in somebody's wallet, base units. */
  wallet(address: Address): Promise<bigint>;
}

export interface LocalWorldOptions {
  /** The command line under test; from source by default. */
  command?: readonly string[];
  /** Where the provider's log goes. */
  log?: "inherit" | "null";
  /** The provider's section "settlement"; by default every call is settled before it runs. */
  settlement?: Record<string, unknown>;
  /** Lines about what is being made. */
  tell?: (line: string) => void;
}

/** The command line from source, with the permissions that it has when it is packaged. */
export function commandFromSource(): string[] {
  const flags = ["--quiet", "--frozen", "--no-prompt", "--cached-only", ...PERMISSIONS];
  return [Deno.execPath(), "run", ...flags, `${ROOT}main.ts`];
}

/** Starts it; nothing is registered, allowed or deployed yet. Dispose of it to end it all. */
export async function startLocalWorld(options: LocalWorldOptions = {}): Promise<LocalWorld> {
  const tell = options.tell ?? (() => {});
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "khachapuri-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  // Programs run as another uid when we are root, and pass through here to their files.
  await Deno.chmod(dir, 0o711);
  const anvil = stack.use(await startAnvil());
  tell(`chain      ${anvil.url} (anvil, chain id 31337)`);
  const gateway = stack.use(await startGateway());
  tell(`ipfs       ${gateway.url} (trustless gateway and Kubo RPC)`);
  const chain = await connect(anvil.url);
  const deployer = anvilAccount(0);
  const usdc = await deployUsdc(chain, deployer);
  tell(`usdc       ${usdc} (FiatTokenV2_2)`);

  const command = options.command ?? commandFromSource();
  const home = (person: Person) => join(dir, person);
  const run = (person: Person, ...args: string[]) => runCommand(command, home(person), args);
  const ask = async <T>(person: Person, ...args: string[]) => {
    const said = await run(person, ...args, "--json");
    if (said.code === 0) return JSON.parse(said.stdout) as T;
    throw new Error(`${person}: ${args.join(" ")}: ${said.code}\n${said.stdout}${said.stderr}`);
  };

  const rootKey = toHex(deployer.getHdKey().privateKey!);
  await writeKeyFile(join(home("root"), "keys.json"), { version: 1, account: rootKey });
  const { escrow, registry } = await ask<{ escrow: Address; registry: Address }>(
    "root",
    ...["contracts", "deploy", "--rpc", anvil.url, "--usdc", usdc, "--thawing", THAWING_SECONDS],
  );
  tell(`escrow     ${escrow}`);
  tell(`registry   ${registry}`);
  const contracts = { [chain.chainId]: { escrow, usdc, registry } };

  const places = ["--rpc", anvil.url, "--gateway", gateway.url, "--kubo", gateway.kuboUrl];
  const webDomain = `http://localhost:${freePort()}`;
  const listen = webDomain.replace("http://localhost", "127.0.0.1");
  const provider = await ask<{ address: Address; operator: Address }>(
    "provider",
    ...["init", "--provider", NAME, "--domain", webDomain, "--listen", listen],
    ...["--price", PRICE_USDC, "--address", "new", ...places],
  );
  const developer = await ask<{ address: Address }>("developer", "init", ...places);
  const caller = await ask<{ address: Address }>("caller", "init", ...places);
  for (const person of ["root", "provider", "developer", "caller"] as const) {
    await changeConfig(home(person), (config) => ({ ...config, rpc: anvil.url, contracts }));
  }
  const settlement = options.settlement ?? { mode: "each" };
  await changeConfig(home("provider"), ({ provider, ...config }) => ({
    ...config,
    provider: { ...provider as Record<string, unknown>, settlement },
  }));
  const addresses = {
    provider: provider.address,
    operator: provider.operator,
    developer: developer.address,
    caller: caller.address,
  };
  for (const address of Object.values(addresses)) await giveEther(chain, address);
  for (const { address } of [developer, caller]) {
    await mintUsdc(chain, deployer, usdc, address, 100_000_000n);
  }
  tell("people     provider, developer and caller have homes; the latter two 100 USDC each");

  const serving = stack.adopt<{ child?: Deno.ChildProcess }>({}, async ({ child }) => {
    child?.kill("SIGTERM");
    await child?.status;
  });
  const owned = stack.move();
  return {
    ...{ dir, rpc: anvil.url, chain, gateway, usdc, escrow, registry, webDomain, addresses },
    ...{ home, run, ask },
    async serve() {
      serving.child = await startServe(command, home("provider"), options.log ?? "null");
    },
    wallet: (address) => readUsdcBalance(chain, usdc, address),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
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

/** For what `init` has no flags: contracts that only this world knows, ways to settle. */
async function changeConfig(
  home: string,
  change: (config: Record<string, unknown>) => Record<string, unknown>,
): Promise<void> {
  const path = join(home, "config.json");
  const text = await Deno.readTextFile(path).catch(() => "{}");
  await Deno.writeTextFile(path, `${JSON.stringify(change(JSON.parse(text)), null, 2)}\n`);
}

/** A name is registered with its port in it before `serve` can choose one. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function giveEther(chain: Chain, address: Address): Promise<void> {
  const request = chain.public.request as (call: {
    method: "anvil_setBalance";
    params: [Address, Hex];
  }) => Promise<null>;
  await request({ method: "anvil_setBalance", params: [address, toHex(10n ** 19n)] });
}

async function startServe(
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
