/**
 * What a payer signs for somebody else to send: its way out of the escrow without ETH (`revokeFor`,
 * `bumpEpochFor`, `reclaimFor`, `withdrawFor`). Whoever sends it changes nothing of it, sends it
 * once, no later than its deadline, and takes at most the fee that it names.
 */
import * as v from "valibot";
import {
  type Address,
  type Hex,
  isAddressEqual,
  type LocalAccount,
  recoverTypedDataAddress,
} from "viem";
import { KhachapuriError } from "../errors.ts";
import { type EscrowDomain, escrowTypedDomain, isCanonicalSignature } from "../permit.ts";
import { addressShape, hexShape, parseShape, uintShape } from "../shape.ts";
import { escrowCall } from "./escrow_call.ts";

/** What every message says beside its own matter. */
export interface MessageTerms {
  payer: Address;
  /** The most that whoever sends it may take out of the payer's free balance, USDC base units. */
  feeMax: bigint;
  /** The payer's next one at the escrow: of several with one nonce only one is ever taken. */
  nonce: bigint;
  /** Unix seconds; the last second at which the escrow takes it. */
  deadline: bigint;
}

/** What a message is about, by the name of its EIP-712 type. */
export type MessageMatter =
  /** Takes credits back from a provider, or all if fewer are left. */
  | { type: "Revoke"; provider: Address; credits: bigint }
  /** Takes the permits for a provider back. */
  | { type: "BumpEpoch"; provider: Address }
  /** Moves what has thawed to the free balance, out of which the fee is then paid. */
  | { type: "Reclaim"; provider: Address }
  /** Sends `amount` (USDC base units) of the free balance to `to`; the fee comes on top. */
  | { type: "Withdraw"; amount: bigint; to: Address };

export type PayerMessage = MessageMatter & MessageTerms;

/** A message, the escrow that it is for, and the payer's signature (65 bytes r, s, v). */
export type SignedMessage = PayerMessage & EscrowDomain & { signature: Hex };

const TERM_TYPES = [
  { name: "feeMax", type: "uint256" },
  { name: "nonce", type: "uint256" },
  { name: "deadline", type: "uint64" },
];
const PAYER_TYPE = { name: "payer", type: "address" };
const PROVIDER_TYPE = { name: "provider", type: "address" };

/** The fields of each message in the contract's order. */
const MESSAGE_TYPES: Readonly<
  Record<PayerMessage["type"], readonly { name: string; type: string }[]>
> = {
  Revoke: [PAYER_TYPE, PROVIDER_TYPE, { name: "credits", type: "uint128" }, ...TERM_TYPES],
  BumpEpoch: [PAYER_TYPE, PROVIDER_TYPE, ...TERM_TYPES],
  Reclaim: [PAYER_TYPE, PROVIDER_TYPE, ...TERM_TYPES],
  Withdraw: [
    PAYER_TYPE,
    { name: "amount", type: "uint256" },
    { name: "to", type: "address" },
    ...TERM_TYPES,
  ],
};

/** The types that a message may have. */
export const MESSAGE_NAMES = Object.keys(MESSAGE_TYPES) as readonly PayerMessage["type"][];

const COMMON_SHAPE = {
  chainId: v.pipe(v.number(), v.integer("not a whole number"), v.minValue(1)),
  escrow: addressShape,
  payer: addressShape,
};
const TERMS_SHAPE = {
  feeMax: uintShape(256),
  nonce: uintShape(256),
  deadline: uintShape(64),
  signature: hexShape(65),
};

const messageShape = v.variant("type", [
  v.strictObject({
    type: v.literal("Revoke"),
    ...COMMON_SHAPE,
    provider: addressShape,
    credits: uintShape(128),
    ...TERMS_SHAPE,
  }),
  v.strictObject({
    type: v.picklist(["BumpEpoch", "Reclaim"]),
    ...COMMON_SHAPE,
    provider: addressShape,
    ...TERMS_SHAPE,
  }),
  v.strictObject({
    type: v.literal("Withdraw"),
    ...COMMON_SHAPE,
    amount: uintShape(256),
    to: addressShape,
    ...TERMS_SHAPE,
  }),
]);

function typedData({ chainId, escrow }: EscrowDomain, message: PayerMessage) {
  const { type, ...fields } = message;
  return {
    domain: escrowTypedDomain({ chainId, escrow }),
    types: { [type]: MESSAGE_TYPES[type] },
    primaryType: type,
    message: fields,
  };
}

/** Signs a message as the payer itself: an allowance's signer may not. */
export async function signMessage(
  account: LocalAccount,
  { chainId, escrow }: EscrowDomain,
  message: PayerMessage,
): Promise<SignedMessage> {
  const signature = await account.signTypedData(typedData({ chainId, escrow }, message));
  return { ...message, chainId, escrow, signature };
}

/** Whether the payer itself signed it, in the one encoding that the escrow takes. */
export async function isSignedByPayer(signed: SignedMessage): Promise<boolean> {
  const { signature } = signed;
  if (!isCanonicalSignature(signature)) return false;
  try {
    const signer = await recoverTypedDataAddress({ ...typedData(signed, signed), signature });
    return isAddressEqual(signer, signed.payer);
  } catch {
    return false;
  }
}

/**
 * Refuses a message for another escrow than `expected`.
 * @throws KhachapuriError `invalid_input`
 */
export function assertForEscrow(signed: EscrowDomain, expected: EscrowDomain): void {
  if (signed.chainId !== expected.chainId) {
    const message = `the message is for chain ${signed.chainId}, not ${expected.chainId}`;
    throw new KhachapuriError("invalid_input", message);
  }
  if (isAddressEqual(signed.escrow, expected.escrow)) return;
  const message = `the message is for escrow ${signed.escrow}, not ${expected.escrow}`;
  throw new KhachapuriError("invalid_input", message);
}

/**
 * Reads the JSON form.
 * @throws KhachapuriError `invalid_input` that names the field
 */
export function messageFromJson(value: unknown): SignedMessage {
  return parseShape(messageShape, value, "message", "invalid_input");
}

/** The JSON form; bigints as decimal strings. */
export function messageToJson(signed: SignedMessage): v.InferInput<typeof messageShape> {
  const { type, chainId, escrow, payer, ...rest } = signed;
  const texts = Object.entries(rest).map(([key, value]) => [key, String(value)]);
  return { type, chainId, escrow, payer, ...Object.fromEntries(texts) };
}

/**
 * The escrow's call that carries a message out.
 * @param fee what the sender takes for it, USDC base units, at most `feeMax`
 * @param relayer whose free balance the fee goes to
 */
export function messageCall(signed: SignedMessage, fee: bigint, relayer: Address) {
  const { escrow, payer, feeMax, nonce, deadline, signature } = signed;
  const rest = [{ feeMax, nonce, deadline, signature }, fee, relayer];
  switch (signed.type) {
    case "Revoke": {
      const { provider, credits } = signed;
      return escrowCall(escrow, "revokeFor", [payer, provider, credits, ...rest]);
    }
    case "BumpEpoch":
      return escrowCall(escrow, "bumpEpochFor", [payer, signed.provider, ...rest]);
    case "Reclaim":
      return escrowCall(escrow, "reclaimFor", [payer, signed.provider, ...rest]);
    case "Withdraw":
      return escrowCall(escrow, "withdrawFor", [payer, signed.amount, signed.to, ...rest]);
  }
}
