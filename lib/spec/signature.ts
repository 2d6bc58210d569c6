/**
 * The owner's signature over a whole spec: EIP-712, so that a wallet can show what is signed. The
 * domain has no chain: one spec may name providers on several, and each entry binds its own.
 */
import canonicalize from "canonicalize";
import {
  type Hex,
  isAddressEqual,
  keccak256,
  type LocalAccount,
  recoverTypedDataAddress,
  stringToBytes,
} from "viem";
import { KhachapuriError } from "../errors.ts";
import {
  deploymentLane,
  type EscrowDomain,
  isCanonicalSignature,
  recoverPermitSigner,
} from "../permit.ts";
import { breathe } from "../slices.ts";
import { type ProviderEntry, type Spec, specToJson, type UnsignedSpec } from "./schema.ts";

/** The EIP-712 domain of a spec. */
export const DEPLOYMENT_DOMAIN = { name: "Khachapuri Deployment", version: "1" } as const;

/** The EIP-712 domain of what an owner says to one provider: good on one chain, at one escrow. */
export function ownerDomain({ chainId, escrow }: EscrowDomain) {
  return { ...DEPLOYMENT_DOMAIN, chainId, verifyingContract: escrow };
}

export const DEPLOYMENT_TYPES = {
  Deployment: [
    { name: "id", type: "bytes32" },
    { name: "owner", type: "address" },
    { name: "specHash", type: "bytes32" },
    { name: "terms", type: "bytes32[]" },
  ],
} as const;

/** keccak256 of the RFC 8785 (JCS) form of everything but the signature. */
export function specHash(spec: UnsignedSpec): Hex {
  const { signature: _, ...unsigned } = specToJson(spec) as ReturnType<typeof specToJson> & {
    signature?: string;
  };
  const canonical = canonicalize(unsigned);
  if (canonical === undefined) throw new KhachapuriError("internal", "a spec has a canonical form");
  return keccak256(stringToBytes(canonical));
}

/** What the owner's wallet is asked to sign. */
export function deploymentTypedData(spec: UnsignedSpec) {
  return {
    domain: DEPLOYMENT_DOMAIN,
    types: DEPLOYMENT_TYPES,
    primaryType: "Deployment" as const,
    message: {
      id: spec.id,
      owner: spec.owner,
      specHash: specHash(spec),
      terms: spec.providers.map((entry) => entry.terms),
    },
  };
}

/**
 * Signs as the owner.
 * @throws KhachapuriError `invalid_signature` when `account` is not the spec's owner
 */
export async function signSpec(unsigned: UnsignedSpec, account: LocalAccount): Promise<Spec> {
  if (!isAddressEqual(unsigned.owner, account.address)) {
    throw new KhachapuriError("invalid_signature", `the spec's owner is ${unsigned.owner}`, {
      hints: [`sign with its key instead of the one of ${account.address}`],
    });
  }
  const signature = await account.signTypedData(deploymentTypedData(unsigned));
  return { ...unsigned, signature };
}

/**
 * Checks that the owner signed this very spec, and that each permit in it is the owner's own, for
 * that entry's provider and for this deployment's lane. Whether the chain honours a permit
 * (allowance, pinned signer, deadline) is for the provider to check at each call.
 * @throws KhachapuriError `invalid_signature`
 */
export async function verifySpec(spec: Spec): Promise<void> {
  if (!await isSignedByOwner(spec)) refuse("the owner did not sign this spec");
  for (const entry of spec.providers) {
    // Each signature keeps the event loop for a millisecond.
    await breathe();
    await verifyPermit(spec, entry);
  }
}

async function isSignedByOwner(spec: Spec): Promise<boolean> {
  if (!isCanonicalSignature(spec.signature)) return false;
  try {
    const signer = await recoverTypedDataAddress({
      ...deploymentTypedData(spec),
      signature: spec.signature,
    });
    return isAddressEqual(signer, spec.owner);
  } catch {
    return false;
  }
}

async function verifyPermit(spec: Spec, entry: ProviderEntry): Promise<void> {
  const { permit } = entry;
  if (!isAddressEqual(permit.payer, spec.owner)) refuse("a permit's payer is not the owner");
  if (!isAddressEqual(permit.provider, entry.address)) refuse("a permit is for another provider");
  if (permit.lane !== deploymentLane(spec.id)) refuse("a permit is for another lane");
  // The payer may have pinned a signer on chain, so who signed it is not known here; that it is a
  // signature the escrow can recover is.
  if (await recoverPermitSigner(entry, permit) === null) refuse("a permit carries no signature");
}

function refuse(reason: string): never {
  throw new KhachapuriError("invalid_signature", `spec: ${reason}`);
}
