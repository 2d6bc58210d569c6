/** What commands share, loaded lazily: configuration, keys, chain, questions. */
import { join, resolve } from "node:path";
import type { LocalAccount } from "viem";
import type { Config, ContractOverrides, Contracts } from "../config.ts";
import type { Chain } from "../chain/client.ts";
import type { KeyFile } from "../spec/keys.ts";
import { KhachapuriError } from "../errors.ts";
import type { CommandContext, CommandEntry, CommonFlags } from "./command.ts";
import type { Output } from "./output.ts";
import type { World } from "./world.ts";

/** @throws KhachapuriError `usage` when there is no home directory to stand in */
export function createContext(
  world: World,
  flags: CommonFlags,
  out: Output,
  commands: readonly CommandEntry[],
): CommandContext {
  const home = homeOf(world, flags);
  const keysPath = flags.keys === undefined ? join(home, "keys.json") : resolve(flags.keys);
  const config = once(() => loadConfig(world, home, flags));
  const keyFile = once(() => loadKeyFile(keysPath));
  const chain = once(async () => connectChain(await config()));
  return {
    world,
    out,
    commands,
    home,
    flags,
    keysPath,
    config,
    keyFile,
    account: once(() => loadAccount(world, keysPath, keyFile)),
    chain,
    contracts: once(async () => loadContracts(await config(), await chain(), flags)),
    confirm: (question, hint) => confirm(world, question, hint),
  };
}

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined;
  return () => loaded ??= load();
}

function homeOf(world: World, flags: CommonFlags): string {
  const given = flags.home ?? world.env("KHACHAPURI_HOME");
  if (given) return resolve(given);
  const user = world.env("HOME");
  if (user) return join(user, ".khachapuri");
  throw new KhachapuriError("usage", "no home directory", {
    hints: ["give --home DIR or set KHACHAPURI_HOME"],
  });
}

async function loadConfig(world: World, home: string, flags: CommonFlags): Promise<Config> {
  const { readConfig } = await import("../config.ts");
  const config = await readConfig(home);
  const token = world.env("KHACHAPURI_KUBO_TOKEN") ?? config.kubo?.token;
  const kuboUrl = flags.kubo ?? config.kubo?.url;
  return {
    ...config,
    ...(flags.rpc.length === 0 ? {} : { rpc: flags.rpc.map((url) => flagUrl("--rpc", url)) }),
    ...(flags.gateway.length === 0
      ? {}
      : { gateways: flags.gateway.map((url) => flagUrl("--gateway", url)) }),
    ...(kuboUrl === undefined
      ? {}
      : { kubo: { url: flagUrl("--kubo", kuboUrl), ...(token === undefined ? {} : { token }) } }),
  };
}

/** @throws KhachapuriError `usage` for what is no http(s) URL */
export function flagUrl(flag: string, text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text;
  const meant = `http://${text.replace(/^\w+:\/\//, "")}`;
  throw new KhachapuriError("usage", `${flag} is not an http(s) URL: ${text}`, {
    hints: URL.canParse(meant) ? [`as in ${flag} ${meant}`] : [],
  });
}

async function loadKeyFile(path: string): Promise<KeyFile> {
  const { readKeyFile } = await import("../spec/keys.ts");
  return await readKeyFile(path);
}

async function loadAccount(
  world: World,
  path: string,
  keyFile: () => Promise<KeyFile>,
): Promise<LocalAccount> {
  const { privateKeyToAccount } = await import("../chain/key_account.ts");
  const key = await accountKey(world, path, keyFile);
  return privateKeyToAccount(key);
}

async function accountKey(
  world: World,
  path: string,
  keyFile: () => Promise<KeyFile>,
): Promise<`0x${string}`> {
  const stored = await keyFile().catch((error) => {
    if (error instanceof KhachapuriError && error.code === "not_found") return null;
    throw error;
  });
  if (stored?.account) return stored.account;
  if (!world.stdin.isTerminal() || !world.stderr.isTerminal()) {
    throw new KhachapuriError("access_denied", `no account key in ${path}`, {
      hints: ["run khachapuri init to make one", "or give --keys FILE"],
    });
  }
  const typed = (await world.ask("Private key (0x…, not shown): ", true)).trim();
  if (!/^0x[0-9a-fA-F]{64}$/.test(typed)) {
    throw new KhachapuriError("usage", "that is not a private key: 32 bytes of 0x-hex");
  }
  return typed as `0x${string}`;
}

async function connectChain(config: Config): Promise<Chain> {
  if (config.rpc === undefined) {
    throw new KhachapuriError("invalid_config", "no chain is configured", {
      hints: [
        "khachapuri init --rpc URL keeps one; --rpc URL is for one command",
        `it stands in ${join(config.home, "config.json")} as "rpc"`,
      ],
    });
  }
  const { connect } = await import("../chain/client.ts");
  return await connect(config.rpc);
}

async function loadContracts(
  config: Config,
  chain: Chain,
  flags: CommonFlags,
): Promise<Contracts> {
  const { readContracts } = await import("../chain/contracts.ts");
  return await readContracts(chain, {
    ...config.contracts[String(chain.chainId)],
    ...await namedContracts(flags),
  });
}

/** @throws KhachapuriError `usage` for what is no address */
export async function namedContracts(
  { escrow, registry }: CommonFlags,
): Promise<ContractOverrides> {
  const { addressShape, parseShape } = await import("../shape.ts");
  const address = (text: string, flag: string) => parseShape(addressShape, text, flag, "usage");
  return {
    ...(escrow === undefined ? {} : { escrow: address(escrow, "--escrow") }),
    // A registry named by a flag is asked itself, not through a Universal Resolver.
    ...(registry === undefined
      ? {}
      : { registry: address(registry, "--registry"), universalResolver: undefined }),
  };
}

async function confirm(world: World, question: string, hint: string): Promise<boolean> {
  if (!world.stdin.isTerminal() || !world.stderr.isTerminal()) {
    throw new KhachapuriError("usage", "this needs an answer and there is no terminal to ask on", {
      hints: [hint],
    });
  }
  const answer = await world.ask(`${question} [y/N] `, false);
  return /^y(es)?$/i.test(answer.trim());
}
