/** What is asked about transactions that are out, in one look. */
import {
  type Address,
  type Hex,
  type PublicClient,
  TransactionNotFoundError,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
} from "viem";
import type { Price } from "./fees.ts";
import type { OutFlight } from "./flight.ts";
import type { Seen } from "./plan.ts";
import { type PriceClient, readPrice } from "./price.ts";

export type InquiryClient =
  & PriceClient
  & Pick<PublicClient, "getTransaction" | "getTransactionCount" | "getTransactionReceipt">;

/** Receipts asked for at a time. */
const RECEIPTS_AT_ONCE = 8;
/** The lowest nonces are mined first: whether the node has those is asked. */
const PRESENCES = 8;

/** What was found out before the chain fell silent, if it did. */
export interface Inquiry {
  seen: Seen<TransactionReceipt>;
  /** What a question ended in; null: all were answered. */
  failure: unknown;
}

/**
 * How much a look asks. Who does not look after nonces and fees asks for receipts; who does asks
 * for all of it in a close look, and at a glance only how many are mined, and for their receipts.
 */
export type Look = "receipts" | "glance" | "close";

/** Asks as far as the chain answers: when it falls silent, the rest is left to the next look. */
export async function inquire(
  client: InquiryClient,
  address: Address,
  flights: readonly OutFlight[],
  look: Look,
): Promise<Inquiry> {
  const receipts = new Map<number, TransactionReceipt | null>();
  const missing = new Set<number>();
  let count: number | null = null;
  let price: Price | null = null;
  try {
    if (look !== "receipts") {
      count = await client.getTransactionCount({ address, blockTag: "latest" });
    }
    const isAsked = ({ nonce }: OutFlight) => look !== "glance" || nonce < count!;
    await inParts(flights.filter(isAsked), async (flight) => {
      receipts.set(flight.nonce, await receiptOf(client, flight));
    });
    if (look === "close") {
      price = await readPrice(client);
      const waiting = flights.filter(({ nonce }) => nonce >= count! && !receipts.get(nonce));
      const lowest = waiting.sort((a, b) => a.nonce - b.nonce).slice(0, PRESENCES);
      await inParts(lowest, async ({ nonce, forms, heldForm }) => {
        if (await isMissing(client, heldForm ?? forms.at(-1)!.hash)) missing.add(nonce);
      });
    }
    return { seen: { count, receipts, missing, price }, failure: null };
  } catch (failure) {
    return { seen: { count, receipts, missing, price }, failure };
  }
}

/** A few at a time; ends after the part in which one fails. */
async function inParts<T>(all: readonly T[], ask: (one: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += RECEIPTS_AT_ONCE) {
    const asked = await Promise.allSettled(all.slice(at, at + RECEIPTS_AT_ONCE).map(ask));
    const failed = asked.find((answer) => answer.status === "rejected");
    if (failed) throw failed.reason;
  }
}

async function receiptOf(
  client: InquiryClient,
  { forms }: OutFlight,
): Promise<TransactionReceipt | null> {
  for (const { hash } of forms.toReversed()) {
    try {
      return await client.getTransactionReceipt({ hash });
    } catch (error) {
      if (!(error instanceof TransactionReceiptNotFoundError)) throw error;
    }
  }
  return null;
}

async function isMissing(client: InquiryClient, hash: Hex): Promise<boolean> {
  try {
    await client.getTransaction({ hash });
    return false;
  } catch (error) {
    if (error instanceof TransactionNotFoundError) return true;
    throw error;
  }
}
