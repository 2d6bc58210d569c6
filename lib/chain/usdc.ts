/** USDC: amounts as people write them, balances, and EIP-3009 signatures. */
import {
  type Address,
  domainSeparator,
  type Hex,
  type LocalAccount,
  recoverTypedDataAddress,
} from "viem";
import { KhachapuriError } from "../errors.ts";
import { AUTHORIZATION_FIELDS, type TransferAuthorization } from "../transfer_authorization.ts";
import { DECIMALS } from "../usdc_text.ts";
import { usdcAbi } from "./abi.ts";
import type { Chain, ContractCall } from "./client.ts";
import { shippedOn } from "./deployments.ts";

export { formatUsdc } from "../usdc_text.ts";

/**
 * Reads a decimal amount of USDC, e.g. "1.25".
 * @returns base units
 * @throws KhachapuriError `invalid_input` for signs, exponents, or more than six decimals
 */
export function parseUsdc(text: string): bigint {
  const match = /^([0-9]{1,30})(?:\.([0-9]+))?$/.exec(text);
  if (!match) {
    throw new KhachapuriError("invalid_input", `not an amount of USDC: ${JSON.stringify(text)}`, {
      hints: ["write it as 5 or 0.001"],
    });
  }
  const [, whole, fraction = ""] = match;
  if (fraction.length > DECIMALS) {
    throw new KhachapuriError("invalid_input", `USDC has ${DECIMALS} decimals, ${text} has more`);
  }
  return BigInt(whole + fraction.padEnd(DECIMALS, "0"));
}

/**
 * What `account` holds in its own wallet, base units.
 * @throws KhachapuriError `chain_unavailable`
 */
export async function readUsdcBalance(
  chain: Chain,
  usdc: Address,
  account: Address,
): Promise<bigint> {
  return await chain.read<bigint>(usdcBalanceCall(usdc, account));
}

/** Whether the token has taken an EIP-3009 authorisation, or its payer has cancelled it. */
export function authorizationStateCall(usdc: Address, from: Address, nonce: Hex): ContractCall {
  return { address: usdc, abi: usdcAbi, functionName: "authorizationState", args: [from, nonce] };
}

/** What `account` holds in its own wallet, base units. */
export function usdcBalanceCall(usdc: Address, account: Address): ContractCall {
  return { address: usdc, abi: usdcAbi, functionName: "balanceOf", args: [account] };
}

/** USDC's EIP-712 domain. */
export interface UsdcDomain {
  name: string;
  version: string;
  chainId: number;
  verifyingContract: Address;
}

/**
 * Reads the domain from the token itself: Circle names it differently from chain to chain. It must
 * be the one by which the token checks signatures and, where we know the token, the one we know: a
 * signature in another domain is worth nothing, or means something else.
 * @throws KhachapuriError `invalid_config` when it is not, `chain_refused`, `chain_unavailable`
 */
export async function usdcDomain(chain: Chain, usdc: Address): Promise<UsdcDomain> {
  const { chainId } = chain;
  const read = (functionName: string) =>
    chain.read<string>({ address: usdc, abi: usdcAbi, functionName });
  const [name, version, separator] = await Promise.all([
    read("name"),
    read("version"),
    read("DOMAIN_SEPARATOR"),
  ]);
  const domain = { name, version, chainId, verifyingContract: usdc };
  const known = shippedOn(chainId)?.usdc;
  const isOther = known?.address === usdc && (known.name !== name || known.version !== version);
  if (!isOther && domainSeparator({ domain }) === separator) return domain;
  const message =
    `USDC at ${usdc} signs by another EIP-712 domain than "${name}" version ${version}`;
  throw new KhachapuriError("invalid_config", message, {
    hints: ["nothing was signed", "is this the chain, and the token, that you mean?"],
  });
}

/** EIP-3009: what `receiveWithAuthorization` takes, which only `to` itself may submit. */
export type ReceiveAuthorization = TransferAuthorization;

const RECEIVE_TYPES = { ReceiveWithAuthorization: AUTHORIZATION_FIELDS } as const;

/** Signs an EIP-3009 authorisation; `account` is its `from`. */
export async function signReceiveAuthorization(
  account: Pick<LocalAccount, "signTypedData">,
  domain: UsdcDomain,
  authorization: ReceiveAuthorization,
): Promise<Hex> {
  return await account.signTypedData({
    domain,
    types: RECEIVE_TYPES,
    primaryType: "ReceiveWithAuthorization",
    message: { ...authorization },
  });
}

/** Who signed an EIP-3009 authorisation; null when the bytes are no signature. */
export async function recoverReceiveAuthorization(
  domain: UsdcDomain,
  authorization: ReceiveAuthorization,
  signature: Hex,
): Promise<Address | null> {
  try {
    return await recoverTypedDataAddress({
      domain,
      types: RECEIVE_TYPES,
      primaryType: "ReceiveWithAuthorization",
      message: { ...authorization },
      signature,
    });
  } catch {
    return null;
  }
}
