/**
 * A permit is a payer's EIP-712 signature "this provider may charge me up to `credits` in total on
 * this lane, each at most `price`". It is cumulative, so one signature covers many requests, and a
 * bearer secret while credits are left on it: it is never logged, and not sent back before all of
 * them are used.
 */
import * as v from "valibot";
import {
  type Address,
  encodeAbiParameters,
  hashTypedData,
  type Hex,
  keccak256,
  type LocalAccount,
  recoverTypedDataAddress,
} from "viem";
import { addressShape, hexShape, parseShape, uintShape } from "./shape.ts";

/** A permit before it is signed. */
export interface UnsignedPermit {
  payer: Address;
  provider: Address;
  /** The counter that the credits are taken from. */
  lane: Hex;
  /** Highest price of one credit, USDC base units (6 decimals). */
  price: bigint;
  /** Cumulative: the most credits ever to be charged on the lane. */
  credits: bigint;
  /** Unix seconds after which the escrow no longer takes it. */
  deadline: bigint;
  /** The payer's epoch at the provider; with the epoch the permit ends. */
  epoch: number;
}

export interface Permit extends UnsignedPermit {
  /** 65 bytes r, s, v by the payer or the signer its allowance pins. */
  signature: Hex;
}

/** The escrow a signature is bound to: EIP-712 domain separation by chain and contract. */
export interface EscrowDomain {
  chainId: number;
  escrow: Address;
}

export const UINT128_MAX = (1n << 128n) - 1n;
export const UINT64_MAX = (1n << 64n) - 1n;

export const PERMIT_TYPES = {
  Permit: [
    { name: "payer", type: "address" },
    { name: "provider", type: "address" },
    { name: "lane", type: "bytes32" },
    { name: "price", type: "uint128" },
    { name: "credits", type: "uint128" },
    { name: "deadline", type: "uint64" },
    { name: "epoch", type: "uint32" },
  ],
} as const;

/** A payer's epoch at a provider: permits of an earlier one are void. */
export interface Epoch {
  /** The one in force. */
  epoch: number;
  /** When it ends, Unix seconds; zero while it has no end. The next one counts from now on. */
  epochEnd: bigint;
}

/** The epoch that a new permit is signed for: one that has no end yet. */
export function signingEpoch({ epoch, epochEnd }: Epoch): number {
  return epochEnd === 0n ? epoch : epoch + 1;
}

/**
 * Whether permits of `epoch` can still be settled `seconds` from now: the payer may have announced
 * their end. The escrow takes them until the second before it.
 * @param nowSeconds Unix seconds
 */
export function isEpochAlive(
  epoch: number,
  held: Epoch,
  nowSeconds: bigint,
  seconds: bigint,
): boolean {
  if (held.epochEnd === 0n) return epoch === held.epoch;
  if (epoch === held.epoch + 1) return true;
  return epoch === held.epoch && nowSeconds + seconds < held.epochEnd;
}

/** JSON form: integers as decimal strings. */
export const permitShape = v.strictObject({
  payer: addressShape,
  provider: addressShape,
  lane: hexShape(32),
  price: uintShape(128),
  credits: uintShape(128),
  deadline: uintShape(64),
  epoch: v.pipe(uintShape(32), v.transform(Number)),
  signature: hexShape(65),
});

/** JSON form of a `LaneProof`: what is left of a permit to who knows payer, provider and lane. */
export const laneProofShape = v.pick(permitShape, [
  "credits",
  "price",
  "deadline",
  "epoch",
  "signature",
]);

/** The Escrow's EIP-712 domain (name and version as its constructor sets them). */
export function escrowTypedDomain(domain: EscrowDomain) {
  return {
    name: "Khachapuri Escrow",
    version: "1",
    chainId: domain.chainId,
    verifyingContract: domain.escrow,
  } as const;
}

/** The owner's lane of a deployment: `keccak256(abi.encode("deployment", spec.id))`. */
export function deploymentLane(specId: Hex): Hex {
  return keccak256(
    encodeAbiParameters([{ type: "string" }, { type: "bytes32" }], ["deployment", specId]),
  );
}

function typedData(domain: EscrowDomain, permit: UnsignedPermit) {
  return {
    domain: escrowTypedDomain(domain),
    types: PERMIT_TYPES,
    primaryType: "Permit" as const,
    message: { ...permit },
  };
}

/** The EIP-712 digest that the payer signs and the escrow recovers. */
export function permitDigest(domain: EscrowDomain, permit: UnsignedPermit): Hex {
  return hashTypedData(typedData(domain, permit));
}

/** Signs a permit as `account`: the payer itself or its pinned signer. */
export async function signPermit(
  account: Pick<LocalAccount, "signTypedData">,
  domain: EscrowDomain,
  unsigned: UnsignedPermit,
): Promise<Permit> {
  return { ...unsigned, signature: await account.signTypedData(typedData(domain, unsigned)) };
}

const HALF_CURVE_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/**
 * The one encoding that the escrow's ECDSA accepts (EIP-2: low s; v 27 or 28). A provider that
 * took another would serve calls that it can never settle.
 */
export function isCanonicalSignature(signature: Hex): boolean {
  const s = BigInt(`0x${signature.slice(66, 130)}`);
  const v = signature.slice(130);
  return s <= HALF_CURVE_ORDER && (v === "1b" || v === "1c");
}

interface Recovered extends EscrowDomain {
  signer: Promise<Address | null>;
}

/** An owner's permit is looked at as its spec is opened, and again as it pays. */
const recovered = new WeakMap<Permit, Recovered>();

/**
 * Who signed; null when the bytes are no signature that the escrow takes. ECDSA only, as there.
 * What is passed is not changed later: an object that was looked at is not looked at again.
 */
export function recoverPermitSigner(
  { chainId, escrow }: EscrowDomain,
  permit: Permit,
): Promise<Address | null> {
  const known = recovered.get(permit);
  if (known && known.chainId === chainId && known.escrow === escrow) return known.signer;
  const signer = recover({ chainId, escrow }, permit);
  recovered.set(permit, { chainId, escrow, signer });
  return signer;
}

async function recover(domain: EscrowDomain, permit: Permit): Promise<Address | null> {
  if (!isCanonicalSignature(permit.signature)) return null;
  try {
    const { signature, ...unsigned } = permit;
    return await recoverTypedDataAddress({ ...typedData(domain, unsigned), signature });
  } catch {
    return null;
  }
}

/**
 * Reads the JSON form.
 * @throws KhachapuriError `invalid_input`
 */
export function permitFromJson(value: unknown): Permit {
  return parseShape(permitShape, value, "permit", "invalid_input");
}

/** The JSON form; bigints as decimal strings. */
export function permitToJson(permit: Permit): v.InferInput<typeof permitShape> {
  return {
    payer: permit.payer,
    provider: permit.provider,
    lane: permit.lane,
    price: String(permit.price),
    credits: String(permit.credits),
    deadline: String(permit.deadline),
    epoch: String(permit.epoch),
    signature: permit.signature,
  };
}

/**
 * Whether a permit can still be settled `seconds` from now.
 * @param nowSeconds Unix seconds
 */
export function isPermitAlive(
  { deadline }: Pick<UnsignedPermit, "deadline">,
  nowSeconds: bigint,
  seconds: bigint,
): boolean {
  return deadline >= nowSeconds + seconds;
}
