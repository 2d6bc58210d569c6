/** Payers by x402's `exact`: they sign what a 402 asks for, as clients do. */
import assert from "node:assert/strict";
import type { Address, Hex, LocalAccount } from "viem";
import { usdcAbi } from "../lib/chain/abi.ts";
import { PAYMENT_SIGNATURE_HEADER, toHeader } from "../lib/payment_required.ts";
import { TRANSFER_TYPES, type TransferAuthorization } from "../lib/transfer_authorization.ts";
import { PAYMENT_HEADER_V1 } from "../lib/x402_v1.ts";
import type { UsdcChain } from "./chain/usdc_chain.ts";

/** An `exact` entry of a 402's `accepts`. */
export interface ExactEntry {
  scheme: "exact";
  network: string;
  amount: string;
  asset: Address;
  payTo: Address;
  maxTimeoutSeconds: number;
  extra: { name: string; version: string };
}

/** What a 402 asks for in this scheme. */
export function exactIn(response: Response): ExactEntry {
  const text = response.headers.get("payment-required");
  assert.ok(text, `no PAYMENT-REQUIRED with ${response.status}`);
  const { accepts } = JSON.parse(atob(text)) as { accepts: ExactEntry[] };
  const entry = accepts.find(({ scheme }) => scheme === "exact");
  assert.ok(entry, "exact is not offered");
  return entry;
}

/** Of an answer to a payment. */
export function settlementIn(response: Response): Record<string, unknown> | null {
  const { headers } = response;
  const text = headers.get("payment-response") ?? headers.get("x-payment-response");
  return text === null ? null : JSON.parse(atob(text));
}

export interface SignedExact {
  authorization: TransferAuthorization;
  signature: Hex;
  entry: ExactEntry;
}

/** Signs what an entry asks for, or something else. */
export async function signExact(
  account: LocalAccount,
  entry: ExactEntry,
  changes: Partial<TransferAuthorization> = {},
): Promise<SignedExact> {
  const now = BigInt(Math.floor(Date.now() / 1_000));
  const authorization: TransferAuthorization = {
    from: account.address,
    to: entry.payTo,
    value: BigInt(entry.amount),
    validAfter: 0n,
    validBefore: now + BigInt(entry.maxTimeoutSeconds),
    nonce: `0x${crypto.getRandomValues(new Uint8Array(32)).toHex()}`,
    ...changes,
  };
  const { name, version } = entry.extra;
  const signature = await account.signTypedData({
    domain: {
      name,
      version,
      chainId: Number(entry.network.split(":")[1]),
      verifyingContract: entry.asset,
    },
    types: TRANSFER_TYPES,
    primaryType: "TransferWithAuthorization",
    message: { ...authorization },
  });
  return { authorization, signature, entry };
}

function payloadOf({ authorization, signature }: SignedExact) {
  const { value, validAfter, validBefore, ...rest } = authorization;
  const texts = { value: `${value}`, validAfter: `${validAfter}`, validBefore: `${validBefore}` };
  return { signature, authorization: { ...rest, ...texts } };
}

/** The header of protocol version 2. */
export function exactHeader(
  signed: SignedExact,
  more: Record<string, unknown> = {},
): Record<string, string> {
  const payload = payloadOf(signed);
  const json = { x402Version: 2, accepted: signed.entry, payload, ...more };
  return { [PAYMENT_SIGNATURE_HEADER]: toHeader(json) };
}

/** The header of protocol version 1. */
export function exactHeaderV1(signed: SignedExact, network: string): Record<string, string> {
  const json = { x402Version: 1, scheme: "exact", network, payload: payloadOf(signed) };
  return { [PAYMENT_HEADER_V1]: toHeader(json) };
}

/** Pays for one request as a client does: asks, signs, asks again. */
export async function payExact(
  account: LocalAccount,
  url: string,
  init: RequestInit = {},
): Promise<Response> {
  const asked = await fetch(url, init);
  await asked.body?.cancel();
  const signed = await signExact(account, exactIn(asked));
  return await fetch(url, { ...init, headers: { ...init.headers, ...exactHeader(signed) } });
}

/** What somebody holds, USDC base units. */
export async function balanceOf({ chain, usdc }: UsdcChain, account: Address): Promise<bigint> {
  return await chain.read<bigint>({
    address: usdc,
    abi: usdcAbi,
    functionName: "balanceOf",
    args: [account],
  });
}
