/**
 * A receipt is an operator's EIP-712 signature over what a caller's credit bought: which deployment
 * answered what to what, when, and how it ended. Whoever holds the two bodies can check them
 * against it, and the operator against the escrow. It proves a charge; it holds no permit.
 */
import * as v from "valibot";
import { type Address, type Hex, type LocalAccount, recoverTypedDataAddress } from "viem";
import { SPEC_CREDITS_MAX } from "./limits.ts";
import { type EscrowDomain, isCanonicalSignature } from "./permit.ts";
import { addressShape, hexShape, parseShape, uintShape } from "./shape.ts";

/** Of an answer that was paid for: the address of its receipt, a path at the provider. */
export const RECEIPT_HEADER = "Khachapuri-Receipt";

/** How a charged run ended. "aborted": the caller hung up before the answer was complete. */
export const OUTCOMES = ["answered", "failed", "timeout", "limit", "aborted"] as const;
export type Outcome = typeof OUTCOMES[number];

/** sha256 stands in for a request body that had not arrived in full when the run ended. */
export const UNKNOWN_HASH: Hex = `0x${"00".repeat(32)}`;

/** What version 1 signed, when each run took one credit. */
const FIELDS_OF_1 = [
  { name: "payer", type: "address" },
  { name: "provider", type: "address" },
  { name: "operator", type: "address" },
  { name: "block", type: "uint64" },
  { name: "lane", type: "bytes32" },
  { name: "cumulative", type: "uint128" },
  { name: "deployment", type: "string" },
  { name: "requestHash", type: "bytes32" },
  { name: "responseHash", type: "bytes32" },
  { name: "price", type: "uint128" },
  { name: "startedAt", type: "uint64" },
  { name: "durationMs", type: "uint64" },
  { name: "outcome", type: "string" },
] as const;

export const RECEIPT_TYPES = {
  Receipt: [...FIELDS_OF_1, { name: "credits", type: "uint32" }],
} as const;

const receiptFields = {
  chainId: v.pipe(v.number(), v.integer("not a chain id"), v.minValue(1)),
  escrow: addressShape,
  payer: addressShape,
  provider: addressShape,
  /** Who signed: at `block` an operator of the provider, or the provider itself. */
  operator: addressShape,
  /** The chain's block when it was signed. */
  block: uintShape(64),
  lane: hexShape(32),
  /**
   * How far the lane is charged with the last of its credits: the receipt's name for `charged`.
   * Credits of other calls on the lane may lie between them.
   */
  cumulative: uintShape(128),
  /** The deployment's cid. */
  deployment: v.string(),
  /** sha256 of the request body; of no bytes when there was none. */
  requestHash: hexShape(32),
  /** sha256 of the response body as it was sent. */
  responseHash: hexShape(32),
  /** USDC base units. */
  price: uintShape(128),
  /** Unix milliseconds. */
  startedAt: uintShape(64),
  durationMs: uintShape(64),
  outcome: v.picklist(OUTCOMES),
  signature: hexShape(65),
};

const receiptShape = v.variant("version", [
  v.strictObject({ version: v.literal(1), ...receiptFields }),
  v.strictObject({
    version: v.literal(2),
    ...receiptFields,
    /** How many the run took, each for the time limit in force. */
    credits: v.pipe(
      v.number(),
      v.integer("not a number of credits"),
      v.minValue(1),
      v.maxValue(SPEC_CREDITS_MAX),
    ),
  }),
]);

/** What is signed now, or was by an earlier release, whose runs took one credit. */
export type Receipt = v.InferOutput<typeof receiptShape>;
type NewReceipt = Extract<Receipt, { version: 2 }>;
/** A receipt before its operator signs it. */
export type UnsignedReceipt = Omit<NewReceipt, "version" | "signature">;

/** How many credits its run took. */
export function creditsIn(receipt: Receipt): number {
  return receipt.version === 1 ? 1 : receipt.credits;
}

function typedData(unsigned: UnsignedReceipt) {
  const { chainId, escrow, ...message } = unsigned;
  return {
    domain: receiptDomain({ chainId, escrow }, 2),
    types: RECEIPT_TYPES,
    primaryType: "Receipt" as const,
    message,
  };
}

/** Bound to chain and escrow like a permit, and never to be taken for one. */
export function receiptDomain({ chainId, escrow }: EscrowDomain, version: Receipt["version"]) {
  return {
    name: "Khachapuri Receipt",
    version: String(version),
    chainId,
    verifyingContract: escrow,
  } as const;
}

/** Signs as `account`, which must be the operator that the receipt names. */
export async function signReceipt(
  account: LocalAccount,
  unsigned: UnsignedReceipt,
): Promise<NewReceipt> {
  const signature = await account.signTypedData(typedData(unsigned));
  return { version: 2, ...unsigned, signature };
}

/** Who signed; null when the bytes are no signature. */
export async function recoverReceiptSigner(receipt: Receipt): Promise<Address | null> {
  if (!isCanonicalSignature(receipt.signature)) return null;
  try {
    return await recover(receipt);
  } catch {
    return null;
  }
}

async function recover(receipt: Receipt): Promise<Address> {
  if (receipt.version === 2) {
    const { version: _, signature, ...unsigned } = receipt;
    return await recoverTypedDataAddress({ ...typedData(unsigned), signature });
  }
  const { version, signature, chainId, escrow, ...message } = receipt;
  return await recoverTypedDataAddress({
    domain: receiptDomain({ chainId, escrow }, version),
    types: { Receipt: FIELDS_OF_1 },
    primaryType: "Receipt",
    message,
    signature,
  });
}

/**
 * Reads the JSON form.
 * @throws KhachapuriError `invalid_input`
 */
export function receiptFromJson(value: unknown): Receipt {
  return parseShape(receiptShape, value, "receipt", "invalid_input");
}

/** The JSON form; bigints as decimal strings. */
export function receiptToJson(receipt: Receipt): v.InferInput<typeof receiptShape> {
  const { block, cumulative, price, startedAt, durationMs, ...rest } = receipt;
  return {
    ...rest,
    block: String(block),
    cumulative: String(cumulative),
    price: String(price),
    startedAt: String(startedAt),
    durationMs: String(durationMs),
  };
}
