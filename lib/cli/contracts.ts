/** `contracts deploy`: puts Escrow and Registry on a chain and writes down where they are. */
import { dirname, join } from "node:path";
import type { Address } from "viem";
import { deployContracts } from "../chain/deploy.ts";
import { knownUsdc } from "../chain/deployments.ts";
import { ENS_REGISTRY, knownUniversalResolver } from "../chain/ens.ts";
import { type Contracts, parseConfig } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { parseJson } from "../shape.ts";
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
    const book = openBook(context, options.record);
    const earlier = (await book.read())[String(chainId)];
    if (earlier && !options.replace) {
      const message = `chain ${chainId} has an escrow already: ${earlier.escrow}`;
      throw new KhachapuriError("invalid_input", message, { hints: ["deploy again: --replace"] });
    }
    const account = await context.account();
    out.progress(`deploying to chain ${chainId}`);
    const names = existingNames(context, chainId);
    const openClaims = options["open-claims"];
    const terms = { usdc, thawingPeriodSeconds, openClaims, ...names };
    const deployed = await deployContracts(chain, account, terms);
    const record: Contracts = { ...deployed, usdc, ...names };
    await book.write(String(chainId), record);
    out.result({ chainId, ...record, recorded: book.path }, [
      `chain     ${chainId}`,
      `escrow    ${record.escrow}`,
      `usdc      ${record.usdc}`,
      `registry  ${record.registry}`,
      `recorded in ${book.path}`,
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

interface Book {
  path: string;
  read(): Promise<Record<string, Contracts>>;
  write(chainId: string, contracts: Contracts): Promise<void>;
}

/** Addresses by chain id: in config.json under `contracts`, in a file of its own at the top. */
function openBook(context: CommandContext, recordPath: string | undefined): Book {
  const path = recordPath ?? join(context.home, "config.json");
  const isConfig = recordPath === undefined;
  const readJson = async (): Promise<Record<string, unknown>> => {
    const text = await Deno.readTextFile(path).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return "{}";
      throw error;
    });
    return parseJson(text, path, "invalid_config") as Record<string, unknown>;
  };
  const contractsIn = (json: Record<string, unknown>) =>
    parseConfig(isConfig ? json : { contracts: json }, context.home).contracts;
  return {
    path,
    read: async () => contractsIn(await readJson()),
    async write(chainId, contracts) {
      const json = await readJson();
      const inner = isConfig ? json["contracts"] as Record<string, unknown> | undefined : json;
      const changed = { ...inner, [chainId]: contracts };
      const next = isConfig ? { ...json, contracts: changed } : changed;
      contractsIn(next);
      await replaceFile(path, `${JSON.stringify(next, null, 2)}\n`);
    },
  };
}

/** Either the old file or the new one is there, whatever happens in between. */
async function replaceFile(path: string, text: string): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(temporary, text, { createNew: true });
  await Deno.rename(temporary, path);
}
