/** What the commands about money share: whom a name means, and how flags are read. */
import { type Address, getAddress, type Hex, isAddress, isAddressEqual } from "viem";
import { resolveProvider } from "../chain/ens.ts";
import type { ProviderRecord } from "../chain/ens.ts";
import { trustedEscrow } from "../chain/deployments.ts";
import type { Chain } from "../chain/client.ts";
import { parseUsdc } from "../chain/usdc.ts";
import type { Contracts, ProviderConfig } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { UINT128_MAX, UINT64_MAX } from "../permit.ts";
import { timeText } from "../time_text.ts";
import type { CommandContext } from "./command.ts";

/** A provider as a command names it: by ENS name, or by bare address. */
export interface Party {
  chain: Chain;
  contracts: Contracts;
  address: Address;
  /** As given when it is an address, else normalised. */
  name: string;
  /** null for a bare address. */
  record: ProviderRecord | null;
}

/**
 * The provider that NAME means, once it is sure that it is paid through the escrow that we trust.
 * @throws KhachapuriError as `resolveProvider`; `untrusted_escrow`
 */
export async function providerParty(context: CommandContext, text: string): Promise<Party> {
  const [chain, contracts] = await Promise.all([context.chain(), context.contracts()]);
  if (text.startsWith("0x") && !text.includes(".")) {
    const address = addressOf(text, "NAME");
    return { chain, contracts, address, name: address, record: null };
  }
  context.out.progress(`resolving ${text}`);
  const record = await resolveProvider(chain, text, contracts);
  trustedEscrow(record, { chainId: chain.chainId, escrow: contracts.escrow });
  return { chain, contracts, address: record.address, name: record.name, record };
}

/**
 * Refuses another key than the provider's for what only that may sign. A hot key that owned the
 * name could send all customers elsewhere when it is stolen, and it has no earnings to collect.
 * @param provider the machine's own section, null where there is none to compare with
 * @throws KhachapuriError `access_denied`
 */
export function assertProviderKey(account: Address, provider: ProviderConfig | null): void {
  if (!provider || isAddressEqual(provider.address, account)) return;
  const message = `the provider key is ${provider.address}, this key is ${account}'s`;
  throw new KhachapuriError("access_denied", message, {
    hints: ["give the provider key with --keys FILE"],
  });
}

/**
 * What a command about earnings works with, signed by the provider key.
 * @throws KhachapuriError `access_denied` for another key
 */
export async function earningsOf(context: CommandContext) {
  const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  const account = await context.account();
  assertProviderKey(account.address, (await context.config()).provider ?? null);
  return { chain, escrow, account };
}

/** Whose earnings and operators are meant: the machine's provider, else whose key this is. */
export async function providerAddress(context: CommandContext): Promise<Address> {
  return (await context.config()).provider?.address ?? (await context.account()).address;
}

/** @throws KhachapuriError `usage` unless it is an address, with its checksum if it carries one */
export function addressOf(text: string, what: string): Address {
  if (isAddress(text)) return getAddress(text);
  const why = isAddress(text, { strict: false })
    ? "has a wrong checksum: a character was changed"
    : "is not an Ethereum address";
  throw new KhachapuriError("usage", `${what} ${why}: ${text}`);
}

/** Base units. @throws KhachapuriError `usage` for nothing, `invalid_input` for no amount */
export function positiveUsdc(text: string): bigint {
  const amount = parseUsdc(text);
  if (amount > 0n) return amount;
  throw new KhachapuriError("usage", "the amount is zero");
}

/** @throws KhachapuriError `usage` unless it is a whole number from 1 that the escrow can count */
export function creditsOf(text: string, flag = "--credits"): bigint {
  const credits = /^[1-9][0-9]{0,38}$/.test(text) ? BigInt(text) : null;
  if (credits !== null && credits <= UINT128_MAX) return credits;
  throw new KhachapuriError("usage", `${flag} is not a whole number from 1: ${text}`);
}

/** @throws KhachapuriError `usage` unless it is 32 bytes of hex */
export function laneOf(text: string): Hex {
  if (/^0x[0-9a-fA-F]{64}$/.test(text)) return text.toLowerCase() as Hex;
  throw new KhachapuriError("usage", `--lane is not 32 bytes of 0x-hex: ${text}`);
}

/**
 * A time to come, Unix seconds.
 * @param flag which says it, for messages
 * @throws KhachapuriError `usage` for what is no time, or is past
 */
export function deadlineOf(text: string, flag: string): bigint {
  const seconds = secondsOf(text);
  if (seconds === null || seconds > UINT64_MAX) {
    throw new KhachapuriError("usage", `${flag} is no time: ${text}`, {
      hints: ["write it as 2030-01-01T00:00:00Z or as Unix seconds"],
    });
  }
  if (seconds > BigInt(Math.floor(Date.now() / 1000))) return seconds;
  throw new KhachapuriError("usage", `${flag} has passed: ${timeText(seconds)}`);
}

/** Unix seconds of a time in ISO 8601 or in Unix seconds; null for any other text. */
function secondsOf(text: string): bigint | null {
  if (/^\d{1,20}$/.test(text)) return BigInt(text);
  if (!/^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text)) return null;
  const milliseconds = Date.parse(text);
  return Number.isNaN(milliseconds) ? null : BigInt(Math.floor(milliseconds / 1000));
}
