/** `contracts deploy`: our contracts, and USDC where there is none, put on a chain. */
import { type Address, isAddressEqual, type LocalAccount, numberToHex } from "viem";
import type { Chain } from "../chain/client.ts";
import { codeAt } from "../chain/create2.ts";
import {
  deployContentResolver,
  deployEscrow,
  deployRegistry,
  openClaims,
} from "../chain/deploy.ts";
import { chainText, shippedOn } from "../chain/deployments.ts";
import { ENS_REGISTRY, knownUniversalResolver } from "../chain/ens.ts";
import { escrowAddress } from "../chain/escrow_code.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { type ContractsConfig, parseConfig } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { isThisMachine } from "../web_url.ts";
import { usageError } from "./arguments.ts";
import type { CommandContext, CommonFlags } from "./command.ts";
import { openConfigFile } from "./config_file.ts";
import { standing, type TermFlags, termsGiven, termsKnown, termsOf } from "./contract_terms.ts";
import { addressOf } from "./parties.ts";

/** What `--with-usdc` gives its deployer, base units. */
const MINTED = 1_000_000_000_000n;
/** And of the chain's coin, where it has none and that can be had; wei. */
const COIN = 10n ** 20n;
/** Chain ids of development nodes: nobody's money is there, wherever they run. */
const DEVELOPMENT_CHAINS: ReadonlySet<number> = new Set([1337, 31337]);

export interface DeployFlags extends TermFlags {
  "with-usdc": boolean;
  "root-owner": string | undefined;
  "open-claims": boolean;
  replace: boolean;
}

export async function deploy(context: CommandContext, options: DeployFlags): Promise<void> {
  const { out, flags } = context;
  const chain = await context.chain();
  const { chainId } = chain;
  const account = await context.account();
  const file = openConfigFile(context.home);
  const { contracts } = parseConfig(await file.read(), context.home);
  const earlier = await standing(chain, contracts[String(chainId)] ?? {});
  // Before anything is sent: a wrong flag leaves nothing behind.
  const given = termsGiven(options);
  const rootOwner = rootOwnerOf(options, account.address);
  const existingNames = await namesOn(chain, flags, options, earlier);
  const known = await termsKnown(chainId, earlier, chain);
  if (options["with-usdc"]) await assertOwnChain(context, chain, options);
  const isBare = options["with-usdc"] && (earlier.escrow === undefined || options.replace);
  const brought = isBare ? { usdc: await bringUsdc(context, chain) } : {};
  const terms = termsOf(chainId, { ...known, ...given, ...brought });
  assertUnnamed(chainId, earlier.escrow, escrowAddress(terms), options.replace);
  out.progress(`deploying to ${chainText(chainId)}`);
  const escrow = await deployEscrow(chain, account, terms);
  const names = existingNames ??
    { registry: (await deployRegistry(chain, account, rootOwner)).address };
  const contents = await contentResolverOf(chain, account, names.registry);
  if (options["open-claims"] && names.registry) await openClaims(chain, account, names.registry);

  const isShipped = shippedOn(chainId)?.escrow === escrow.address;
  const used = { ...(isShipped ? {} : { escrow: escrow.address }), ...names };
  await file.change((config) => ({
    ...config,
    contracts: { ...config.contracts, [String(chainId)]: used },
  }));
  const { isNew } = escrow;
  const facts = { escrow: escrow.address, usdc: terms.usdc, isNew, ...names, ...contents };
  out.result({ chainId, ...facts, recorded: file.path }, [
    `chain     ${chainText(chainId)}`,
    `escrow    ${escrow.address}${isNew ? "" : ", stood there already"}`,
    `usdc      ${terms.usdc}`,
    ...(names.registry ? [`registry  ${names.registry}`] : []),
    ...(contents ? [`contents  ${contents.contentResolver}`] : []),
    ...(isBare ? [`minted    ${formatUsdc(MINTED)} USDC for ${account.address}`] : []),
    ...(options["with-usdc"] ? ["          more: khachapuri contracts mint AMOUNT"] : []),
    `recorded in ${file.path}`,
  ]);
}

/**
 * What tells where the registry's names point to; null on a chain with ENS, whose names have a
 * resolver that can say it. It is recorded nowhere: its address follows from the registry's.
 */
async function contentResolverOf(
  chain: Chain,
  account: LocalAccount,
  registry: Address | undefined,
): Promise<{ contentResolver: Address } | null> {
  if (registry === undefined || isAddressEqual(registry, ENS_REGISTRY)) return null;
  return { contentResolver: (await deployContentResolver(chain, account, registry)).address };
}

/** @throws KhachapuriError `usage` where names are to be opened that are somebody else's */
function rootOwnerOf(options: DeployFlags, account: Address): Address {
  const given = options["root-owner"];
  const owner = given === undefined ? account : addressOf(given, "--root-owner");
  if (!options["open-claims"] || isAddressEqual(owner, account)) return owner;
  throw usageError("contracts", "--open-claims is the root owner's to say, with its own key");
}

/** Two tokens called USDC on one chain would only confuse, and deceive where there is money. */
async function assertOwnChain(
  context: CommandContext,
  { chainId, endpoint }: Chain,
  options: DeployFlags,
): Promise<void> {
  if (options.usdc !== undefined) {
    throw usageError("contracts", "--usdc and --with-usdc say the same thing: give one");
  }
  if (shippedOn(chainId)) {
    throw usageError("contracts", `${chainText(chainId)} has Circle's own USDC: no --with-usdc`);
  }
  if (DEVELOPMENT_CHAINS.has(chainId) || isThisMachine(new URL(endpoint))) return;
  const where = `${chainText(chainId)} is not on this machine`;
  const question = `${where}. Put a token called USDC there, which you alone can mint?`;
  if (await context.confirm(question, "give an --rpc on this machine")) return;
  throw usageError("contracts", `${where}: nothing was deployed`);
}

/** What people have paid into is not forgotten by a flag too few. */
function assertUnnamed(
  chainId: number,
  earlier: Address | undefined,
  escrow: Address,
  isReplaced: boolean,
): void {
  if (!earlier || isReplaced || isAddressEqual(earlier, escrow)) return;
  const message = `config.json has another escrow on ${chainText(chainId)}: ${earlier}`;
  throw new KhachapuriError("invalid_input", message, {
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
  chain: Chain,
  flags: CommonFlags,
  options: DeployFlags,
  { registry, universalResolver }: ContractsConfig,
): Promise<Pick<ContractsConfig, "registry" | "universalResolver"> | null> {
  if (flags.registry !== undefined) {
    const given = addressOf(flags.registry, "--registry");
    if (await codeAt(chain, given)) return { registry: given };
    throw new KhachapuriError("invalid_input", `there is no contract at --registry ${given}`);
  }
  const configured = {
    ...(registry ? { registry } : {}),
    ...(universalResolver ? { universalResolver } : {}),
  };
  if (options["root-owner"] === undefined && Object.keys(configured).length > 0) return configured;
  const ens = knownUniversalResolver(chain.chainId);
  return ens ? { registry: ENS_REGISTRY, universalResolver: ens } : null;
}
