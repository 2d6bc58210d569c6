/**
 * What a provider's ENS name says about it. Only the standard resolver functions are read (addr of
 * EIP-137, text of ENSIP-5), so that a ProviderResolver and any public resolver serve alike.
 */
import {
  type Address,
  BaseError,
  ContractFunctionRevertedError,
  ContractFunctionZeroDataError,
  decodeFunctionResult,
  encodeFunctionData,
  type Hex,
  isAddressEqual,
  parseAbi,
  toHex,
  zeroAddress,
} from "viem";
import type { ContractLocation } from "../caip.ts";
import type { Contracts } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import type { Chain } from "./client.ts";
import { dnsName, type Name, parseName } from "./name.ts";
import { checkRecords, RECORD_KEYS, type RecordKey } from "./record.ts";
import { asChainError } from "./refusal.ts";

/** Where names are looked up; without either, ENS's own Universal Resolver where there is one. */
export type NameSource = Pick<Contracts, "registry" | "universalResolver">;

/** A provider as its name describes it. */
export interface ProviderRecord {
  /** Normalised (ENSIP-15). */
  name: string;
  node: Hex;
  resolver: Address;
  /** Whom payers allow and permits name. */
  address: Address;
  /** URL without a trailing slash; calls go to `{webDomain}/{cid}`. */
  webDomain: string;
  /** age recipients of the provider; specs are encrypted to them. */
  recipients: string[];
  /** Price of one credit, USDC base units. */
  price: bigint;
  /** keccak256 of the terms text; null when there are none. */
  terms: Hex | null;
  /** Where it is paid; null when it does not say. To be trusted only by `trustedEscrow`. */
  escrow: ContractLocation | null;
}

/** ENS's Universal Resolver, by chain id (docs.ens.domains/learn/deployments). */
const UNIVERSAL_RESOLVERS: Readonly<Record<number, Address>> = {
  1: "0xeEeEEEeE14D718C2B47D9923Deab1335E144EeEe",
  11155111: "0xeEeEEEeE14D718C2B47D9923Deab1335E144EeEe",
};

/** ENS's registry, at one address on every chain that has ENS. */
export const ENS_REGISTRY: Address = "0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e";

/** ENS's own Universal Resolver on a chain; null where there is none. */
export function knownUniversalResolver(chainId: number): Address | null {
  return UNIVERSAL_RESOLVERS[chainId] ?? null;
}

export const ensRegistryAbi = parseAbi([
  "function owner(bytes32 node) view returns (address)",
  "function resolver(bytes32 node) view returns (address)",
  "function setResolver(bytes32 node, address resolver)",
  "function setOwner(bytes32 node, address owner)",
  "function setSubnodeOwner(bytes32 node, bytes32 label, address owner) returns (bytes32)",
]);

const resolverAbi = parseAbi([
  "function addr(bytes32 node) view returns (address)",
  "function text(bytes32 node, string key) view returns (string)",
  "function contenthash(bytes32 node) view returns (bytes)",
]);

/** What viem has no call for is asked of a Universal Resolver as viem's own calls do it. */
const universalResolverAbi = parseAbi([
  "function resolveWithGateways(bytes, bytes, string[]) view returns (bytes, address)",
  "error HttpError(uint16 status, string message)",
]);
/** Has viem ask the gateways that resolvers name itself, instead of one gateway that asks them. */
const LOCAL_BATCH_GATEWAY = "x-batch-gateway:true";

/** How one name's records are read. */
export interface RecordReader {
  resolver: Address;
  address(): Promise<Address | null>;
  text(key: string): Promise<string | null>;
  /** ENSIP-7; null where there is none, or an empty one. */
  contenthash(): Promise<Hex | null>;
}

/**
 * Resolves a provider's name.
 * @throws KhachapuriError `invalid_name`; `not_found` when the name has no resolver or lacks a
 *   record, which it names; `invalid_input` for a record that is malformed; `invalid_config` when
 *   this chain has no names; `chain_unavailable`
 */
export async function resolveProvider(
  chain: Chain,
  nameText: string,
  source: NameSource = {},
): Promise<ProviderRecord> {
  const name = parseName(nameText);
  const reader = await findReader(chain, name, source);
  if (reader === null) throw unregistered(name);
  const { address, texts } = await readRecords(reader);
  if (address === null) throw missing(name, "address (addr)");
  const records = checkRecords(name.text, texts);
  return { name: name.text, node: name.node, resolver: reader.resolver, address, ...records };
}

/** The raw records at one resolver, unchecked: what `register` compares with what should be. */
export async function readRecordsAt(
  chain: Chain,
  name: Name,
  resolver: Address,
): Promise<RawRecords> {
  return await readRecords(resolverReader(chain, name, resolver));
}

/** The contenthash record at one resolver, "0x" when empty; null when it has no such records. */
export async function readContenthashAt(
  chain: Chain,
  { node }: Name,
  resolver: Address,
): Promise<Hex | null> {
  const call = { address: resolver, abi: resolverAbi, functionName: "contenthash" } as const;
  return await orNull(chain, () => chain.public.readContract({ ...call, args: [node] }));
}

export interface RawRecords {
  address: Address | null;
  texts: Record<RecordKey, string | null>;
}

async function readRecords(reader: RecordReader): Promise<RawRecords> {
  const [address, ...values] = await Promise.all([
    reader.address(),
    ...RECORD_KEYS.map((key) => reader.text(key)),
  ]);
  const texts = Object.fromEntries(RECORD_KEYS.map((key, i) => [key, values[i] ?? null]));
  return { address, texts: texts as Record<RecordKey, string | null> };
}

/**
 * How the name's records are read; null when it has no resolver.
 * @throws KhachapuriError `invalid_config` when this chain has no names; `chain_unavailable`
 */
export async function findReader(
  chain: Chain,
  name: Name,
  source: NameSource,
): Promise<RecordReader | null> {
  const universal = source.universalResolver ??
    (source.registry ? null : knownUniversalResolver(chain.chainId));
  if (universal) return await universalReader(chain, name, universal);
  if (source.registry) return await registryReader(chain, name, source.registry);
  throw new KhachapuriError("invalid_config", `chain ${chain.chainId} has no names known to us`, {
    hints: ["give --registry ADDRESS", "or set contracts in config.json"],
  });
}

/** The name's resolver in an ENSRegistry; null when it has none. */
export async function readResolver(
  chain: Chain,
  name: Name,
  registry: Address,
): Promise<Address | null> {
  const call = { address: registry, abi: ensRegistryAbi, functionName: "resolver" };
  const resolver = await chain.read<Address>({ ...call, args: [name.node] });
  return isAddressEqual(resolver, zeroAddress) ? null : resolver;
}

async function registryReader(
  chain: Chain,
  name: Name,
  registry: Address,
): Promise<RecordReader | null> {
  const resolver = await readResolver(chain, name, registry);
  return resolver === null ? null : resolverReader(chain, name, resolver);
}

function resolverReader(chain: Chain, name: Name, resolver: Address): RecordReader {
  const read = <T>(functionName: string, args: readonly unknown[]) =>
    orNull(
      chain,
      () =>
        chain.public.readContract(
          { address: resolver, abi: resolverAbi, functionName, args } as never,
        ),
    ) as Promise<T | null>;
  return {
    resolver,
    address: async () => {
      const address = await read<Address>("addr", [name.node]);
      return address === null || isAddressEqual(address, zeroAddress) ? null : address;
    },
    text: async (key) => await read<string>("text", [name.node, key]) || null,
    contenthash: async () => filled(await read<Hex>("contenthash", [name.node])),
  };
}

/** Through viem's ENS calls, which know ENSIP-10 wildcards and ERC-3668 gateways too. */
async function universalReader(
  chain: Chain,
  name: Name,
  universalResolverAddress: Address,
): Promise<RecordReader | null> {
  const about = { name: name.text, universalResolverAddress };
  const resolver = await orNull(chain, () => chain.public.getEnsResolver(about));
  if (resolver === null || isAddressEqual(resolver, zeroAddress)) return null;
  return {
    resolver,
    address: () => orNull(chain, () => chain.public.getEnsAddress(about)),
    text: (key) => orNull(chain, () => chain.public.getEnsText({ ...about, key })),
    contenthash: () => universalContenthash(chain, name, universalResolverAddress),
  };
}

async function universalContenthash(
  chain: Chain,
  name: Name,
  universalResolver: Address,
): Promise<Hex | null> {
  const record = { abi: resolverAbi, functionName: "contenthash" } as const;
  const data = encodeFunctionData({ ...record, args: [name.node] });
  const ask = () =>
    chain.public.readContract({
      address: universalResolver,
      abi: universalResolverAbi,
      functionName: "resolveWithGateways",
      args: [toHex(dnsName(name)), data, [LOCAL_BATCH_GATEWAY]],
    });
  const answer = await orNull(chain, () => ask().catch(rethrowGatewayTrouble));
  if (answer === null || answer[0] === "0x") return null;
  return filled(decodeFunctionResult({ ...record, data: answer[0] }));
}

/** A gateway (ERC-3668) that fails is an outage; taken for a no, the name would point nowhere. */
function rethrowGatewayTrouble(error: unknown): never {
  const revert = error instanceof BaseError
    ? error.walk((inner) => inner instanceof ContractFunctionRevertedError)
    : null;
  if (revert instanceof ContractFunctionRevertedError && revert.data?.errorName === "HttpError") {
    const [status] = revert.data.args as readonly [number, string];
    const message = `the gateway that the name's resolver refers to failed (HTTP ${status})`;
    throw new KhachapuriError("chain_unavailable", message, { hints: ["try again later"] });
  }
  throw error;
}

function filled(record: Hex | null): Hex | null {
  return record === "0x" ? null : record;
}

/** A resolver that reverts, or is none at all, lacks the record; a silent chain throws. */
async function orNull<T>(chain: Chain, read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    const isAbsent = error instanceof BaseError &&
      error.walk((inner) =>
          inner instanceof ContractFunctionRevertedError ||
          inner instanceof ContractFunctionZeroDataError
        ) !== null;
    if (isAbsent) return null;
    throw asChainError(error, chain.endpoint);
  }
}

function unregistered(name: Name): KhachapuriError {
  return new KhachapuriError("not_found", `${name.text} has no resolver`, {
    hints: [
      "is it spelled right, and on this chain?",
      "a provider runs `khachapuri register NAME`",
    ],
  });
}

function missing(name: Name, record: string): KhachapuriError {
  return new KhachapuriError("not_found", `${name.text} has no record ${record}`, {
    hints: ["its provider sets it with `khachapuri register NAME`"],
  });
}
