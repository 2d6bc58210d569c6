/**
 * Asking a provider how far a lane is charged, so that the next permit covers more than that, and
 * what of its payer is unsettled.
 */
import type { Address, LocalAccount } from "viem";
import * as v from "valibot";
import type { Chain } from "../chain/client.ts";
import { type SignedPayment, signPayment } from "../chain/payment.ts";
import { KhachapuriError } from "../errors.ts";
import { encodePaymentHeader, PAYMENT_SIGNATURE_HEADER } from "../payment_header.ts";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import { laneProofShape } from "../permit.ts";
import { parseJson, parseShape, uintShape } from "../shape.ts";
import { isConfidential } from "../web_url.ts";
import { LaneClaims } from "./lane_claims.ts";
import type { LaneKey, PermitBook } from "./permit_book.ts";
import { askProvider } from "./provider_http.ts";

const answerShape = v.object({
  /** The wire's name for `charged`. */
  cumulative: uintShape(128),
  proof: v.optional(laneProofShape),
  /** Absent in what earlier releases say. */
  unsettled: v.optional(uintShape(128)),
});

/** Whom to ask about which lane, and who asks. */
export interface LaneAsker {
  account: LocalAccount;
  key: LaneKey;
  usdc: Address;
  webDomain: string;
  /** How long to wait for the answer, ms. */
  timeoutMs?: number;
  fetch?: typeof fetch;
}

export interface LaneQuestion extends LaneAsker {
  /** Of one credit, USDC base units: what the credits that a provider claims are worth. */
  price: bigint;
  /** What is known of the lane; the answer is never below that. */
  book: PermitBook;
  now?: () => number;
}

/**
 * Asks the provider, proving who we are with a permit for no credit. Over plain http nobody is
 * asked, as permits are sent over https only, and the answer is what is known.
 * @throws KhachapuriError `payment_required` when it claims more than we would sign for, or proves
 * it by what is no proof; `provider_unavailable` when it does not say
 */
export async function askCharged(chain: Chain, question: LaneQuestion): Promise<bigint> {
  const { account, key, price, book, webDomain, now = Date.now } = question;
  const known = await book.charged(key);
  if (!isConfidential(new URL(webDomain))) return known;
  const { signed: { payment, settled, allowance }, answer } = await askLane(chain, question, price);
  const { cumulative, proof } = answer;
  const least = settled > known ? settled : known;
  if (cumulative <= least) return least;
  const claims = new LaneClaims({ key, signer: account.address, price, book, now });
  await claims.noteSigned(payment.permit, least);
  const claim = { id: key.lane, cumulative, ...(proof ? { proof } : {}) };
  return await claims.accept(claim, allowance);
}

/**
 * Credits of the payer that calls have used or hold and the escrow has not taken, on all of its
 * lanes, by the provider's word; null where it says none, or cannot be asked over plain http.
 * @throws KhachapuriError `provider_unavailable`, `access_denied` where another key signs for the
 * payer, `chain_unavailable`
 */
export async function askUnsettled(chain: Chain, asker: LaneAsker): Promise<bigint | null> {
  if (!isConfidential(new URL(asker.webDomain))) return null;
  return (await askLane(chain, asker, 0n)).answer.unsettled ?? null;
}

interface Asked {
  signed: SignedPayment;
  answer: v.InferOutput<typeof answerShape>;
}

async function askLane(chain: Chain, asker: LaneAsker, price: bigint): Promise<Asked> {
  const { account, key, usdc, webDomain, timeoutMs, fetch } = asker;
  const { escrow, provider, payer, lane } = key;
  const signed = await signPayment(chain, account, {
    escrow,
    usdc,
    provider,
    payer,
    lane,
    price,
    // It covers what is settled already, so it proves who asks and charges nothing.
    credits: 0n,
    deadline: 0n,
  });
  const bytes = await askProvider({
    webDomain,
    path: "/lane",
    bytesMax: PROVIDER_JSON_BYTES_MAX,
    headers: { [PAYMENT_SIGNATURE_HEADER]: encodePaymentHeader(signed.payment) },
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(fetch ? { fetch } : {}),
  }).catch((cause) => {
    throw new KhachapuriError("provider_unavailable", `${webDomain} does not say`, { cause });
  });
  const what = "the provider's answer";
  const json = parseJson(new TextDecoder().decode(bytes), what, "provider_unavailable");
  return { signed, answer: parseShape(answerShape, json, what, "provider_unavailable") };
}
