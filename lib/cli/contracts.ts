/** `contracts deploy`: puts Escrow and Registry on a chain and writes down where they are. */
import { join } from "node:path";
import type { Address } from "viem";
import { deployContracts } from "../chain/deploy.ts";
import { knownUsdc } from "../chain/deployments.ts";
import { ENS_REGISTRY, knownUniversalResolver } from "../chain/ens.ts";
import { type ConfigJson, type Contracts, parseConfig, parseContracts } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { openHomeFile, readJsonFile, replaceJsonFile } from "../home_file.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { addressOf } from "./parties.ts";

/** A day: long enough for a provider that was down to settle, short enough for a payer. */
const THAWING_SECONDS = 86_400n;

export const contracts = defineCommand({
  usage: "deploy [--usdc ADDRESS] [--thawing SECONDS] [--open-claims] [--replace]",
  details: [
    "Deploys the Escrow, which nobody owns, and the Registry, whose root you own; on a chain " +
    "with ENS, or with --registry, the Escrow alone. The addresses are recorded in config.json " +
    "under the chain's id.",
    "Token and thawing period can never be changed afterwards.",
  ],
  examples: [
    "contracts deploy --rpc https://sepolia.base.org",
    "contracts deploy --rpc http://127.0.0.1:8545 --usdc 0x5FbD…0aa3",
  ],
  options: {
    usdc: {
      type: "string",
      value: "ADDRESS",
      description: "the USDC contract (known for Ethereum, Base and their Sepolias)",
    },
    thawing: {
      type: "string",
      value: "SECONDS",
      description: `from revoke to reclaim (default ${THAWING_SECONDS})`,
    },
    "open-claims": { type: "boolean", description: "anyone may claim an unowned name" },
    replace: { type: "boolean", description: "deploy again where config.json has an escrow" },
    record: {
      type: "string",
      value: "FILE",
      description: "record in this JSON file, by chain id, instead of config.json",
    },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    if (positionals[0] !== "deploy") {
      throw usageError("contracts", `unknown action "${positionals[0]}": deploy it is`);
    }
    const { out } = context;
    const thawingPeriodSeconds = secondsOf(options.thawing);
    const chain = await context.chain();
    const { chainId } = chain;
    const usdc = options.usdc === undefined
      ? knownUsdc(chainId)
      : addressOf(options.usdc, "--usdc");
    if (usdc === null) {
      throw usageError("contracts", `which USDC? chain ${chainId} is unknown: --usdc ADDRESS`);
    }
    const file = options.record === undefined
      ? configContracts(context.home)
      : recordedContracts(options.record);
    const earlier = (await file.read())[String(chainId)];
    if (earlier && !options.replace) {
      const message = `chain ${chainId} has an escrow already: ${earlier.escrow}`;
      throw new KhachapuriError("invalid_input", message, { hints: ["deploy again: --replace"] });
    }
    const account = await context.account();
    out.progress(`deploying to chain ${chainId}`);
    const names = existingNames(context, chainId);
    const deployed = await deployContracts(chain, account, {
      usdc,
      thawingPeriodSeconds,
      openClaims: options["open-claims"],
      ...names,
    });
    const record: Contracts = { ...deployed, usdc, ...names };
    await file.add(String(chainId), record);
    out.result({ chainId, ...record, recorded: file.path }, [
      `chain     ${chainId}`,
      `escrow    ${record.escrow}`,
      `usdc      ${record.usdc}`,
      `registry  ${record.registry}`,
      `recorded in ${file.path}`,
    ]);
  },
});

function secondsOf(text: string | undefined): bigint {
  if (text === undefined) return THAWING_SECONDS;
  if (/^[1-9][0-9]{0,9}$/.test(text)) return BigInt(text);
  throw usageError("contracts", `--thawing is not a whole number of seconds: ${text}`);
}

/** Names that the chain has without us; empty where a Registry of ours is needed. */
function existingNames(
  { flags }: CommandContext,
  chainId: number,
): { registry?: Address; universalResolver?: Address } {
  if (flags.registry !== undefined) return { registry: addressOf(flags.registry, "--registry") };
  const universalResolver = knownUniversalResolver(chainId);
  return universalResolver ? { registry: ENS_REGISTRY, universalResolver } : {};
}

/** Where addresses are written down, by chain id. */
interface ContractsFile {
  path: string;
  read(): Promise<Record<string, Contracts>>;
  /** Adds a chain's contracts, or replaces them. */
  add(chainId: string, contracts: Contracts): Promise<void>;
}

/** The section `contracts` of config.json. */
function configContracts(home: string): ContractsFile {
  const path = join(home, "config.json");
  const file = openHomeFile<ConfigJson>(path, {
    empty: {},
    parse(json) {
      parseConfig(json, home);
      return json as ConfigJson;
    },
    toJson: (config) => config,
  });
  return {
    path,
    read: async () => parseConfig(await file.read(), home).contracts,
    add: (chainId, contracts) =>
      file.change((config) => ({
        ...config,
        contracts: { ...config.contracts, [chainId]: contracts },
      })),
  };
}

/** A file to be published, with nothing else in it: everybody may read it, nobody locks it. */
function recordedContracts(path: string): ContractsFile {
  const readRaw = async (): Promise<unknown> => {
    const json = await readJsonFile(path);
    return json === undefined ? {} : json;
  };
  return {
    path,
    read: async () => parseContracts(await readRaw(), path),
    async add(chainId, contracts) {
      const json = { ...await readRaw() as object, [chainId]: contracts };
      parseContracts(json, path);
      await replaceJsonFile(path, json, 0o666);
    },
  };
}
