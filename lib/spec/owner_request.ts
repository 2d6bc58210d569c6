/**
 * An owner asking a provider about its own deployments: signed, for one provider, chain and escrow,
 * short-lived. The answer is the owner's alone (runs, stderr), so an address is not enough.
 */
import * as v from "valibot";
import { type Address, type Hex, isAddressEqual, type LocalAccount } from "viem";
import { recoverTypedDataAddress } from "viem";
import { OWNER_REQUEST_SUBJECT_CHARACTERS_MAX } from "../limits.ts";
import { type EscrowDomain, isCanonicalSignature } from "../permit.ts";
import { addressShape, hexShape, parseShape, uintShape } from "../shape.ts";
import { ownerDomain } from "./signature.ts";

export const OWNER_REQUEST_TYPES = {
  OwnerRequest: [
    { name: "action", type: "string" },
    { name: "subject", type: "string" },
    { name: "owner", type: "address" },
    { name: "provider", type: "address" },
    { name: "expires", type: "uint64" },
  ],
} as const;

/**
 * How long a signed question stays valid, seconds: more than clocks differ by, and too short for
 * one that leaks to be of use.
 */
export const OWNER_REQUEST_SECONDS = 300n;

export interface OwnerQuestion extends EscrowDomain {
  /**
   * "logs" of one deployment, a "dry-run" of it, or the "deployments" of the owner; a provider's
   * operator asks it to "settle" in the same form, as the owner of what it is due.
   */
  action: "logs" | "dry-run" | "deployments" | "settle";
  /** The deployment's cid; empty for "deployments". */
  subject: string;
  owner: Address;
  provider: Address;
  /** Unix seconds. */
  expires: bigint;
}

const requestShape = v.strictObject({
  subject: v.pipe(v.string(), v.maxLength(OWNER_REQUEST_SUBJECT_CHARACTERS_MAX)),
  owner: addressShape,
  expires: uintShape(64),
  signature: hexShape(65),
});

/** The JSON body of `POST /logs`, `POST /dry-run` and `POST /deployments`. */
export type OwnerRequest = v.InferOutput<typeof requestShape>;

function typedData({ chainId, escrow, ...message }: OwnerQuestion) {
  return {
    domain: ownerDomain({ chainId, escrow }),
    types: OWNER_REQUEST_TYPES,
    primaryType: "OwnerRequest" as const,
    message,
  };
}

/** Signs a question; the body to post is its JSON with `expires` as a decimal string. */
export async function signOwnerRequest(
  account: LocalAccount,
  question: Omit<OwnerQuestion, "owner">,
): Promise<v.InferInput<typeof requestShape>> {
  const signed = { ...question, owner: account.address };
  const signature: Hex = await account.signTypedData(typedData(signed));
  const { subject, owner, expires } = signed;
  return { subject, owner, expires: String(expires), signature };
}

/** @throws KhachapuriError `invalid_input` */
export function parseOwnerRequest(json: unknown): OwnerRequest {
  return parseShape(requestShape, json, "owner request", "invalid_input");
}

/** Whether the owner signed it for this provider and it has not run out. */
export async function isOwnerRequestValid(
  request: OwnerRequest,
  asked: Pick<OwnerQuestion, "action" | "provider" | keyof EscrowDomain>,
  nowSeconds: bigint,
): Promise<boolean> {
  const { signature, ...question } = request;
  if (question.expires < nowSeconds) return false;
  if (question.expires > nowSeconds + 2n * OWNER_REQUEST_SECONDS) return false;
  if (!isCanonicalSignature(signature)) return false;
  try {
    const message = { ...question, ...asked };
    const signer = await recoverTypedDataAddress({ ...typedData(message), signature });
    return isAddressEqual(signer, question.owner);
  } catch {
    return false;
  }
}
