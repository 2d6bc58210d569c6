/**
 * Ending a deployment: the owner signs `Stop(bytes32 id,address provider)` and posts it with the
 * deployment cid to the provider's `/stop`. It names the provider, and its domain chain and escrow,
 * so that it can't be replayed to another provider, or to the same one elsewhere.
 */
import * as v from "valibot";
import { type Address, type Hex, isAddressEqual, type LocalAccount } from "viem";
import { recoverTypedDataAddress } from "viem";
import { formatCid, parseCid } from "../cid.ts";
import { type EscrowDomain, isCanonicalSignature } from "../permit.ts";
import { hexShape, parseShape } from "../shape.ts";
import { ownerDomain } from "./signature.ts";

export const STOP_TYPES = {
  Stop: [
    { name: "id", type: "bytes32" },
    { name: "provider", type: "address" },
  ],
} as const;

/** What is to be stopped, and where. */
export interface Stop extends EscrowDomain {
  /** The spec's id. */
  id: Hex;
  provider: Address;
}

const stopRequestShape = v.strictObject({ cid: v.string(), signature: hexShape(65) });
/** The body of `POST /stop`. */
export type StopRequest = v.InferOutput<typeof stopRequestShape>;

function typedData({ id, provider, ...domain }: Stop) {
  return {
    domain: ownerDomain(domain),
    types: STOP_TYPES,
    primaryType: "Stop" as const,
    message: { id, provider },
  };
}

/** Signs as the owner of the deployment. */
export function signStop(account: LocalAccount, stop: Stop): Promise<Hex> {
  return account.signTypedData(typedData(stop));
}

/** Whether `owner` signed it; false for anything else, a malformed signature too. */
export async function isStopSigned(stop: Stop, signature: Hex, owner: Address): Promise<boolean> {
  if (!isCanonicalSignature(signature)) return false;
  try {
    const signer = await recoverTypedDataAddress({ ...typedData(stop), signature });
    return isAddressEqual(signer, owner);
  } catch {
    return false;
  }
}

/**
 * Reads the body of `POST /stop`.
 * @throws KhachapuriError `invalid_input`, `invalid_cid`
 */
export function parseStopRequest(json: unknown): StopRequest {
  const request = parseShape(stopRequestShape, json, "stop request", "invalid_input");
  return { ...request, cid: formatCid(parseCid(request.cid)) };
}
