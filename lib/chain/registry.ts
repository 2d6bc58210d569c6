/** Writing names: a provider registers its record, an owner hands names out. */
import {
  type Abi,
  type Address,
  encodeFunctionData,
  type Hex,
  isAddressEqual,
  keccak256,
  type LocalAccount,
  namehash,
  parseAbi,
  stringToBytes,
  zeroAddress,
  zeroHash,
} from "viem";
import { KhachapuriError } from "../errors.ts";
import { providerResolverAbi, providerResolverBytecode, registryAbi } from "./abi.ts";
import type { Chain } from "./client.ts";
import { ensRegistryAbi, type RawRecords, readRecordsAt, readResolver } from "./ens.ts";
import { type Name, parseName } from "./name.ts";
import {
  checkRecords,
  formatRecords,
  type ProviderTexts,
  RECORD_KEYS,
  type RecordKey,
} from "./record.ts";
import type { RefusalMessages } from "./refusal.ts";

/** What a provider says about itself. */
export interface ProviderRecords extends ProviderTexts {
  /** The provider's own (cold) address: whom payers allow, and who collects. */
  address: Address;
}

/** A name after `registerProvider`. */
export interface RegisteredName {
  name: string;
  node: Hex;
  resolver: Address;
  /** What had to be done. */
  action: "deployed" | "updated" | "unchanged";
  transactions: Hex[];
}

export interface RegisterOptions {
  registry: Address;
  name: string;
  records: ProviderRecords;
  /** Write into this public resolver instead of deploying one. */
  publicResolver?: Address;
  /** Take the place of a resolver that is somebody else's. */
  replacesResolver?: boolean;
}

/** Writers of ENS's public resolvers; ProviderResolver shares setText and multicall. */
const publicResolverAbi = parseAbi([
  "function setAddr(bytes32 node, address a)",
  "function setText(bytes32 node, string key, string value)",
  "function multicall(bytes[] data) returns (bytes[])",
]);

export const REGISTRY_MESSAGES: RefusalMessages = {
  NotAuthorised: ([node, caller]) => `${caller} does not own the name (node ${node})`,
};

/**
 * Sees to it that a name says what `records` say: deploys a ProviderResolver the first time,
 * afterwards only sets what changed. Signed by the owner of the name: the provider's key.
 * @throws KhachapuriError `invalid_name`; `invalid_input` for records that no client would take;
 *   `access_denied` when the name or its resolver is somebody else's; `chain_refused`;
 *   `chain_unavailable`
 */
export async function registerProvider(
  chain: Chain,
  account: LocalAccount,
  options: RegisterOptions,
): Promise<RegisteredName> {
  const { registry, records } = options;
  const name = parseName(options.name);
  const { address, ...texts } = records;
  const wanted = { address, texts: formatRecords(texts) };
  checkRecords(name.text, wanted.texts);
  const current = await readResolver(chain, name, registry);
  const known = await knownResolver(chain, account, current, options);
  const isPointed = current !== null && known !== null && isAddressEqual(current, known);
  // Asked before any transaction: whether this account may point the name at all.
  const functionName = isPointed ? null : await howToPoint(chain, account, registry, name);
  const transactions: Hex[] = [];
  const resolver = known ?? await deployResolver(chain, account, wanted);
  const present = known ? await readRecordsAt(chain, name, known) : freshRecords(wanted);
  const calls = updates(name, present, wanted, options.publicResolver !== undefined);
  const write = await writeRecords(chain, account, resolver, calls);
  if (write) transactions.push(write);
  if (functionName) {
    const call = { address: registry, abi: registryAbi, functionName, args: [name.node, resolver] };
    const receipt = await chain.send(account, { ...call, messages: REGISTRY_MESSAGES });
    transactions.push(receipt.transactionHash);
  }
  const changed = transactions.length > 0 ? "updated" : "unchanged";
  const action = known === null ? "deployed" : changed;
  return { name: name.text, node: name.node, resolver, action, transactions };
}

/** The resolver to write into; null when one is to be deployed. */
async function knownResolver(
  chain: Chain,
  account: LocalAccount,
  current: Address | null,
  options: RegisterOptions,
): Promise<Address | null> {
  if (options.publicResolver) return options.publicResolver;
  if (current === null) return null;
  const owner = await readOwnerOfResolver(chain, current);
  if (owner !== null && isAddressEqual(owner, account.address)) return current;
  if (options.replacesResolver) return null;
  throw new KhachapuriError(
    "access_denied",
    `${options.name} points to resolver ${current}, which is not ${account.address}'s own`,
    {
      hints: [
        `write into it, if it lets you: --public-resolver ${current}`,
        "or point the name to a resolver of your own: --replace-resolver",
      ],
    },
  );
}

/** Who owns a ProviderResolver; null for any other resolver. */
async function readOwnerOfResolver(chain: Chain, resolver: Address): Promise<Address | null> {
  const read = (functionName: "owner" | "getPublicKey") =>
    chain.read<string>({ address: resolver, abi: providerResolverAbi, functionName });
  try {
    const [owner] = await Promise.all([read("owner"), read("getPublicKey")]);
    return owner as Address;
  } catch (error) {
    if (isRefusal(error)) return null;
    throw error;
  }
}

/**
 * How the account gives the name a resolver: our Registry's `register`, which may claim an unowned
 * name, or `setResolver` of any ENSRegistry.
 * @throws KhachapuriError `access_denied` when the name is not the account's; `chain_unavailable`
 */
export async function howToPoint(
  chain: Chain,
  account: Pick<LocalAccount, "address">,
  registry: Address,
  name: Name,
): Promise<"register" | "setResolver"> {
  const [owner, openClaims] = await Promise.all([
    readOwner(chain, registry, name.node),
    readOpenClaims(chain, registry),
  ]);
  if (isAddressEqual(owner, account.address)) {
    return openClaims === null ? "setResolver" : "register";
  }
  if (isAddressEqual(owner, zeroAddress) && openClaims) return "register";
  const whose = isAddressEqual(owner, zeroAddress)
    ? "has no owner and can't be claimed"
    : `belongs to ${owner}, not to ${account.address}`;
  throw new KhachapuriError("access_denied", `${name.text} ${whose}`, {
    hints: [`ask the owner above it: khachapuri assign ${name.text} ${account.address}`],
  });
}

/**
 * Whether anyone may claim an unowned name; null when this is no Registry of ours.
 * @throws KhachapuriError `chain_unavailable`
 */
export async function readOpenClaims(chain: Chain, registry: Address): Promise<boolean | null> {
  try {
    const call = { address: registry, abi: registryAbi, functionName: "openClaims" };
    return await chain.read<boolean>(call);
  } catch (error) {
    if (isRefusal(error)) return null;
    throw error;
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof KhachapuriError && error.code === "chain_refused";
}

/** Who owns a node; zero when nobody does. @throws KhachapuriError `chain_unavailable` */
export async function readOwner(chain: Chain, registry: Address, node: Hex): Promise<Address> {
  const call = { address: registry, abi: ensRegistryAbi, functionName: "owner", args: [node] };
  return await chain.read<Address>(call);
}

/* RECORDS */

interface Wanted {
  address: Address;
  texts: Record<RecordKey, string>;
}

/** What a ProviderResolver holds when its constructor has run. */
function freshRecords(wanted: Wanted): RawRecords {
  const none = Object.fromEntries(RECORD_KEYS.map((key) => [key, null]));
  const { url, "khachapuri.age": age } = wanted.texts;
  const texts = { ...none, url, "khachapuri.age": age } as RawRecords["texts"];
  return { address: wanted.address, texts };
}

async function deployResolver(
  chain: Chain,
  account: LocalAccount,
  wanted: Wanted,
): Promise<Address> {
  const { url, "khachapuri.age": age } = wanted.texts;
  return await chain.deploy(account, {
    abi: providerResolverAbi as Abi,
    bytecode: providerResolverBytecode,
    args: [wanted.address, url, age],
  });
}

/** The encoded setters of what differs. */
function updates(name: Name, present: RawRecords, wanted: Wanted, isPublic: boolean): Hex[] {
  const calls: Hex[] = [];
  if (present.address === null || !isAddressEqual(present.address, wanted.address)) {
    calls.push(
      isPublic
        ? encodeFunctionData({
          abi: publicResolverAbi,
          functionName: "setAddr",
          args: [name.node, wanted.address],
        })
        : encodeFunctionData({
          abi: providerResolverAbi,
          functionName: "setAddress",
          args: [wanted.address],
        }),
    );
  }
  for (const [key, value] of Object.entries(wanted.texts)) {
    if ((present.texts[key as RecordKey] ?? "") === value) continue;
    const args = [name.node, key, value] as const;
    calls.push(encodeFunctionData({ abi: publicResolverAbi, functionName: "setText", args }));
  }
  return calls;
}

async function writeRecords(
  chain: Chain,
  account: LocalAccount,
  resolver: Address,
  calls: Hex[],
): Promise<Hex | null> {
  if (calls.length === 0) return null;
  const call = { address: resolver, functionName: "multicall", args: [calls] };
  const receipt = await chain.send(account, { ...call, abi: publicResolverAbi });
  return receipt.transactionHash;
}

/* ASSIGNMENT */

export interface Assignment {
  name: string;
  owner: Address;
  previousOwner: Address | null;
  transactions: Hex[];
}

/**
 * Gives a name, and with it the subtree below, to `owner`. The account owns the name itself or one
 * above it; unowned names between become the account's.
 * @throws KhachapuriError `invalid_name`; `access_denied` when the account owns nothing above the
 *   name, or a name between is somebody else's; `chain_refused`; `chain_unavailable`
 */
export async function assignName(
  chain: Chain,
  account: LocalAccount,
  registry: Address,
  nameText: string,
  owner: Address,
): Promise<Assignment> {
  const name = parseName(nameText);
  const labels = name.text.split(".");
  // From the name itself up to the root.
  const nodes = [...labels.map((_, i) => namehash(labels.slice(i).join("."))), zeroHash];
  const owners = await Promise.all(nodes.map((node) => readOwner(chain, registry, node)));
  const isOurs = (index: number) => isAddressEqual(owners[index]!, account.address);
  const from = nextOwned(owners, account.address);
  const transactions: Hex[] = [];
  const send = async (functionName: string, args: readonly unknown[]) => {
    const call = { address: registry, abi: registryAbi, functionName, args };
    const receipt = await chain.send(account, { ...call, messages: REGISTRY_MESSAGES });
    transactions.push(receipt.transactionHash);
  };
  if (from === null) throw notAbove(name, owners, account.address);
  if (from === 0 && isOurs(0)) await send("setOwner", [nodes[0], owner]);
  for (let index = from; index > 0; index--) {
    const heir = index === 1 ? owner : account.address;
    await send("setSubnodeOwner", [nodes[index], labelhashOf(labels[index - 1]!), heir]);
  }
  const previous = owners[0]!;
  const previousOwner = isAddressEqual(previous, zeroAddress) ? null : previous;
  return { name: name.text, owner, previousOwner, transactions };
}

function labelhashOf(label: string): Hex {
  return keccak256(stringToBytes(label));
}

/**
 * The nearest name at or above that the account owns, nothing but unowned names between; a parent
 * may also take the name itself away from whoever has it. Null when there is none.
 */
function nextOwned(owners: readonly Address[], account: Address): number | null {
  if (isAddressEqual(owners[0]!, account)) return 0;
  for (let index = 1; index < owners.length; index++) {
    if (isAddressEqual(owners[index]!, account)) return index;
    if (!isAddressEqual(owners[index]!, zeroAddress)) return null;
  }
  return null;
}

function notAbove(name: Name, owners: readonly Address[], account: Address): KhachapuriError {
  const labels = name.text.split(".");
  const index = owners.findIndex((owner, i) => i > 0 && !isAddressEqual(owner, zeroAddress));
  const above = labels.slice(index).join(".") || "the root";
  const whose = index < 0 ? "nobody owns a name above" : `${above} belongs to ${owners[index]}`;
  return new KhachapuriError(
    "access_denied",
    `${account} can't hand out ${name.text}: ${whose}`,
  );
}
