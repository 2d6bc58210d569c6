/** What a relayer says of itself at `GET /relay`, and answers to a message that it has sent. */
import * as v from "valibot";
import type { Address, Hex } from "viem";
import type { EscrowDomain } from "../permit.ts";
import { addressShape, hexShape, parseShape, uintShape } from "../shape.ts";
import { MESSAGE_NAMES, type PayerMessage } from "./payer_message.ts";

/** On which terms a payer's messages are sent. */
export interface RelayOffer extends EscrowDomain {
  /** Whose free balance the fee goes to. */
  relayer: Address;
  /** Of one message, USDC base units. */
  fee: bigint;
  /** The kinds of messages that are sent. */
  relays: readonly PayerMessage["type"][];
}

/** What became of a message. */
export interface Relayed {
  transaction: Hex;
  /** What it cost the payer, USDC base units. */
  fee: bigint;
}

/** Kinds that we do not know are left out: a newer relayer may send more. */
const offerShape = v.object({
  chainId: v.number(),
  escrow: addressShape,
  relayer: addressShape,
  fee: uintShape(256),
  relays: v.pipe(
    v.array(v.string()),
    v.transform((names) => MESSAGE_NAMES.filter((name) => names.includes(name))),
  ),
});

const relayedShape = v.object({ transaction: hexShape(32), fee: uintShape(256) });

/** The JSON form; amounts as decimal strings. */
export function offerToJson({ chainId, escrow, relayer, fee, relays }: RelayOffer) {
  return { chainId, escrow, relayer, fee: String(fee), relays };
}

/** @throws KhachapuriError `provider_unavailable` for an answer that is no offer */
export function offerFromJson(value: unknown): RelayOffer {
  return parseShape(offerShape, value, "the relayer's offer", "provider_unavailable");
}

/** The JSON form; amounts as decimal strings. */
export function relayedToJson(payer: Address, { transaction, fee }: Relayed) {
  return { payer, transaction, fee: String(fee) };
}

/** @throws KhachapuriError `provider_unavailable` for an answer that says nothing of the kind */
export function relayedFromJson(value: unknown): Relayed {
  return parseShape(relayedShape, value, "the relayer's answer", "provider_unavailable");
}
