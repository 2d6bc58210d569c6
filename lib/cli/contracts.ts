/** `contracts`: where our contracts belong on a chain, and putting them there. */
import { join } from "node:path";
import { type Address, isAddressEqual, keccak256, numberToHex } from "viem";
import type { Chain } from "../chain/client.ts";
import { codeAt, CREATE2_FACTORY, CREATE2_SALT } from "../chain/create2.ts";
import {
  deployEscrow,
  deployRegistry,
  isRegistry,
  openClaims,
  registryAddress,
} from "../chain/deploy.ts";
import { chainText, shippedOn } from "../chain/deployments.ts";
import { ENS_REGISTRY, knownUniversalResolver } from "../chain/ens.ts";
import {
  escrowAddress,
  escrowCode,
  escrowInitCode,
  type EscrowTerms,
} from "../chain/escrow_code.ts";
import { formatUsdc, parseUsdc } from "../chain/usdc.ts";
import { type ConfigJson, type ContractsConfig, parseConfig } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { openHomeFile } from "../home_file.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { addressOf } from "./parties.ts";

/** A day: long enough for a provider that was down to settle, short enough for a payer. */
const THAWING_SECONDS = 86_400n;
/** What `--with-usdc` gives its deployer, base units. */
const MINTED = 1_000_000_000_000n;
/** And of the chain's coin, where it has none and that can be had; wei. */
const COIN = 10n ** 20n;

const OPTIONS = {
  usdc: {
    type: "string",
    value: "ADDRESS",
    description: "the USDC contract (known where we ship)",
  },
  "with-usdc": {
    type: "boolean",
    description: "deploy: put Circle's USDC on a chain of your own first; a million is yours",
  },
  thawing: {
    type: "string",
    value: "SECONDS",
    description: `from revoke to reclaim, an hour to 30 days (default ${THAWING_SECONDS})`,
  },
  chain: { type: "string", value: "ID", description: "address: this chain, without asking it" },
  "root-owner": {
    type: "string",
    value: "ADDRESS",
    description: "whom all names of the Registry belong to (deploy: you)",
  },
  "open-claims": { type: "boolean", description: "deploy: anyone may claim an unowned name" },
  replace: { type: "boolean", description: "deploy: though config.json has another escrow" },
  to: { type: "string", value: "ADDRESS", description: "mint: who gets it (default: you)" },
} as const;

export const contracts = defineCommand({
  usage: "address|deploy|mint AMOUNT [flags]",
  details: [
    "An escrow's address follows from its code, the token and the thawing period: address tells " +
    "it before anybody deployed it, with the hash of its code there.",
    "deploy puts it there, for the gas, whoever you are: nobody owns it. On a chain without ENS " +
    "it also puts a Registry for names there, whose root you own. What does not ship with us is " +
    "recorded in config.json. Where they stand already nothing is sent.",
    "mint gives out the USDC that deploy --with-usdc brought.",
  ],
  examples: [
    "contracts address --chain 8453",
    "contracts deploy --rpc https://sepolia.base.org",
    "contracts deploy --rpc http://127.0.0.1:8545 --with-usdc",
    "contracts mint 100 --to 0x7099…79C8",
  ],
  options: OPTIONS,
  positionals: { min: 1, max: 2 },
  async run(context, { positionals, options }) {
    const [action, amount] = positionals;
    if (action === "mint") return await mint(context, amount, options.to);
    if (amount !== undefined) throw usageError("contracts", `what is "${amount}"?`);
    if (action === "address") return await tellAddress(context, options);
    if (action === "deploy") return await deploy(context, options);
    throw usageError("contracts", `unknown action "${action}": address, deploy or mint`);
  },
});

interface Options {
  usdc: string | undefined;
  "with-usdc": boolean;
  thawing: string | undefined;
  chain: string | undefined;
  "root-owner": string | undefined;
  "open-claims": boolean;
  replace: boolean;
}

/* ADDRESS */

async function tellAddress(context: CommandContext, options: Options): Promise<void> {
  const chain = options.chain === undefined ? await context.chain() : null;
  const chainId = chain?.chainId ?? chainIdOf(options.chain!);
  const terms = termsFor(chainId, options);
  const escrow = escrowAddress(terms);
  const code = escrowCode(terms, { chainId, escrow });
  const owner = options["root-owner"];
  const registry = owner === undefined ? null : registryAddress(addressOf(owner, "--root-owner"));
  const stands = chain && await codeAt(chain, escrow) === code;
  const registryStands = registry && chain && await isRegistry(chain, registry);
  const facts = {
    chainId,
    escrow,
    codeHash: keccak256(code),
    initCodeHash: keccak256(escrowInitCode(terms)),
    usdc: terms.usdc,
    thawingPeriodSeconds: Number(terms.thawingPeriodSeconds),
    factory: CREATE2_FACTORY,
    salt: CREATE2_SALT,
    ...(stands === null ? {} : { stands }),
    ...(registry ? { registry } : {}),
    ...(registryStands === null ? {} : { registryStands }),
  };
  context.out.result(facts, [
    `chain      ${chainText(chainId)}`,
    `escrow     ${escrow}${standsText(stands)}`,
    `code hash  ${facts.codeHash}`,
    `init hash  ${facts.initCodeHash}`,
    `usdc       ${facts.usdc}`,
    `thawing    ${facts.thawingPeriodSeconds} s`,
    `factory    ${facts.factory}, salt ${facts.salt}`,
    ...(registry ? [`registry   ${registry}${standsText(registryStands)}`] : []),
    ...(stands === false ? ["put it there, for the gas: khachapuri contracts deploy"] : []),
  ]);
}

/** Nothing is said of a chain that was not asked. */
function standsText(stands: boolean | null): string {
  if (stands === null) return "";
  return stands ? ", stands" : ", does not stand yet";
}

function chainIdOf(text: string): number {
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text);
  throw usageError("contracts", `--chain is not a chain id: ${text}`);
}

function termsFor(chainId: number, options: Pick<Options, "usdc" | "thawing">): EscrowTerms {
  const thawingPeriodSeconds = secondsOf(options.thawing);
  const usdc = options.usdc === undefined
    ? shippedOn(chainId)?.usdc.address
    : addressOf(options.usdc, "--usdc");
  if (usdc !== undefined) return { usdc, thawingPeriodSeconds };
  throw usageError(
    "contracts",
    `which USDC? ${chainText(chainId)} is unknown: --usdc ADDRESS, or deploy --with-usdc`,
  );
}

function secondsOf(text: string | undefined): bigint {
  if (text === undefined) return THAWING_SECONDS;
  if (/^[1-9][0-9]{0,9}$/.test(text)) return BigInt(text);
  throw usageError("contracts", `--thawing is not a whole number of seconds: ${text}`);
}

/* DEPLOY */

async function deploy(context: CommandContext, options: Options): Promise<void> {
  const { out } = context;
  const chain = await context.chain();
  const { chainId } = chain;
  const account = await context.account();
  const file = configFile(context.home);
  const earlier = (await file.read())[String(chainId)];
  const withUsdc = options["with-usdc"];
  if (withUsdc) assertBare(chainId, options, earlier);
  // Before anything is sent: a wrong flag leaves nothing behind.
  const isOpen = options["open-claims"];
  const rootOwner = options["root-owner"] === undefined
    ? account.address
    : addressOf(options["root-owner"], "--root-owner");
  if (isOpen && !isAddressEqual(rootOwner, account.address)) {
    throw usageError("contracts", "--open-claims is the root owner's to say, with its own key");
  }
  const usdc = withUsdc ? await bringUsdc(context, chain) : options.usdc;
  const terms = termsFor(chainId, { ...options, usdc });
  assertUnnamed(chainId, earlier, escrowAddress(terms), options.replace);
  out.progress(`deploying to ${chainText(chainId)}`);
  const escrow = await deployEscrow(chain, account, terms);
  const given = await namesOn(context, chainId);
  const registry = given ? null : await deployRegistry(chain, account, rootOwner);
  if (registry && isOpen) await openClaims(chain, account, registry.address);

  const names = registry ? { registry: registry.address } : given!;
  const isShipped = shippedOn(chainId)?.escrow === escrow.address;
  const record = { ...(isShipped ? {} : { escrow: escrow.address }), ...names };
  const isRecorded = Object.keys(record).length > 0;
  if (isRecorded) await file.add(String(chainId), record);
  const { isNew } = escrow;
  const facts = { escrow: escrow.address, usdc: terms.usdc, isNew, ...names };
  out.result({ chainId, ...facts, recorded: isRecorded ? file.path : null }, [
    `chain     ${chainText(chainId)}`,
    `escrow    ${escrow.address}${isNew ? "" : ", stood there already"}`,
    `usdc      ${terms.usdc}`,
    ...(names.registry ? [`registry  ${names.registry}`] : []),
    ...(withUsdc ? [`minted    ${formatUsdc(MINTED)} USDC for ${account.address}`] : []),
    ...(isRecorded ? [`recorded in ${file.path}`] : []),
  ]);
}

/** Two tokens called USDC, or two escrows, on one chain would only confuse. */
function assertBare(chainId: number, options: Options, earlier: ContractsConfig | undefined): void {
  if (options.usdc !== undefined) {
    throw usageError("contracts", "--usdc and --with-usdc say the same thing: give one");
  }
  if (shippedOn(chainId)) {
    throw usageError("contracts", `${chainText(chainId)} has Circle's own USDC: no --with-usdc`);
  }
  if (earlier?.escrow && !options.replace) throw namedAlready(chainId, earlier.escrow);
}

function assertUnnamed(
  chainId: number,
  earlier: ContractsConfig | undefined,
  escrow: Address,
  isReplaced: boolean,
): void {
  if (!earlier?.escrow || isReplaced || isAddressEqual(earlier.escrow, escrow)) return;
  throw namedAlready(chainId, earlier.escrow);
}

function namedAlready(chainId: number, escrow: Address): KhachapuriError {
  const message = `config.json has another escrow on ${chainText(chainId)}: ${escrow}`;
  return new KhachapuriError("invalid_input", message, {
    hints: ["put the new one in its place: --replace"],
  });
}

async function bringUsdc({ account, out }: CommandContext, chain: Chain): Promise<Address> {
  const { deployUsdc, mintUsdc } = await import("../chain/circle_usdc.ts");
  out.progress("deploying Circle's USDC");
  const owner = await account();
  await giveCoin(chain, owner.address);
  const usdc = await deployUsdc(chain, owner);
  await mintUsdc(chain, owner, usdc, owner.address, MINTED);
  return usdc;
}

/** On anvil the chain's coin is for the asking; another chain has no such method. */
async function giveCoin(chain: Chain, address: Address): Promise<void> {
  if (await chain.public.getBalance({ address }) > 0n) return;
  const request = chain.public.request as (call: unknown) => Promise<unknown>;
  const params = [address, numberToHex(COIN)];
  await request({ method: "anvil_setBalance", params }).catch(() => {});
}

/** Names that the chain has without us; null where a Registry of ours is needed. */
async function namesOn(
  { flags, chain }: CommandContext,
  chainId: number,
): Promise<Pick<ContractsConfig, "registry" | "universalResolver"> | null> {
  if (flags.registry !== undefined) {
    const registry = addressOf(flags.registry, "--registry");
    if (await codeAt(await chain(), registry)) return { registry };
    throw new KhachapuriError("invalid_input", `there is no contract at --registry ${registry}`);
  }
  const universalResolver = knownUniversalResolver(chainId);
  return universalResolver ? { registry: ENS_REGISTRY, universalResolver } : null;
}

/** The section `contracts` of config.json. */
function configFile(home: string) {
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
    /** Adds a chain's contracts, or replaces them. */
    add: (chainId: string, contracts: ContractsConfig) =>
      file.change((config) => ({
        ...config,
        contracts: { ...config.contracts, [chainId]: contracts },
      })),
  };
}

/* MINT */

async function mint(
  context: CommandContext,
  text: string | undefined,
  recipient: string | undefined,
): Promise<void> {
  if (text === undefined) throw usageError("contracts", "how much? contracts mint AMOUNT");
  const amount = parseUsdc(text);
  const [chain, { usdc }] = await Promise.all([context.chain(), context.contracts()]);
  const account = await context.account();
  const to = recipient === undefined ? account.address : addressOf(recipient, "--to");
  if (shippedOn(chain.chainId)) {
    throw usageError("contracts", `Circle alone mints USDC on ${chainText(chain.chainId)}`);
  }
  const { mintUsdc } = await import("../chain/circle_usdc.ts");
  await mintUsdc(chain, account, usdc, to, amount);
  context.out.result({ usdc, to, amount }, [`minted ${formatUsdc(amount)} USDC for ${to}`]);
}
