/**
 * EIP-3009 `TransferWithAuthorization`: a payer's signature by which anybody may have its USDC
 * moved to the one it names, once. x402's scheme `exact` pays by it.
 */
import { type Address, type Hex, recoverTypedDataAddress, type TypedDataDomain } from "viem";
import { isCanonicalSignature } from "./permit.ts";

/** What is signed, as EIP-3009 has it, for a transfer and for one that its receiver submits. */
export interface TransferAuthorization {
  from: Address;
  to: Address;
  /** USDC base units. */
  value: bigint;
  /** Unix seconds, exclusive. */
  validAfter: bigint;
  /** Unix seconds, exclusive. */
  validBefore: bigint;
  /** Any 32 bytes that `from` has not used before. */
  nonce: Hex;
}

/** What the token knows an authorisation by. */
export type AuthorizationId = Pick<TransferAuthorization, "from" | "nonce">;

/** The fields of either, for EIP-712. */
export const AUTHORIZATION_FIELDS = [
  { name: "from", type: "address" },
  { name: "to", type: "address" },
  { name: "value", type: "uint256" },
  { name: "validAfter", type: "uint256" },
  { name: "validBefore", type: "uint256" },
  { name: "nonce", type: "bytes32" },
] as const;

export const TRANSFER_TYPES = { TransferWithAuthorization: AUTHORIZATION_FIELDS } as const;

/**
 * Whose key signed; null when the bytes are no ECDSA signature that the token takes. Of a payer
 * with code the token believes the code alone, whoever signed.
 */
export async function recoverTransferSigner(
  domain: TypedDataDomain,
  authorization: TransferAuthorization,
  signature: Hex,
): Promise<Address | null> {
  if (signature.length !== 132 || !isCanonicalSignature(signature)) return null;
  try {
    return await recoverTypedDataAddress({
      domain,
      types: TRANSFER_TYPES,
      primaryType: "TransferWithAuthorization",
      message: { ...authorization },
      signature,
    });
  } catch {
    return null;
  }
}
