/** Asking a provider how far a lane is charged, so that the next permit covers more than that. */
import type { Address, LocalAccount } from "viem";
import * as v from "valibot";
import type { Chain } from "../chain/client.ts";
import { signPayment } from "../chain/payment.ts";
import { KhachapuriError } from "../errors.ts";
import { encodePaymentHeader, PAYMENT_SIGNATURE_HEADER } from "../payment_header.ts";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import { laneProofShape } from "../permit.ts";
import { parseJson, parseShape, uintShape } from "../shape.ts";
import { isConfidential } from "../web_url.ts";
import { LaneClaims } from "./lane_claims.ts";
import type { LaneKey, PermitBook } from "./permit_book.ts";
import { askProvider } from "./provider_http.ts";

/** `cumulative` is the wire's name for `charged`. */
const answerShape = v.object({ cumulative: uintShape(128), proof: v.optional(laneProofShape) });

export interface LaneQuestion {
  account: LocalAccount;
  key: LaneKey;
  usdc: Address;
  /** Of one credit, USDC base units: what the credits that a provider claims are worth. */
  price: bigint;
  /** What is known of the lane; the answer is never below that. */
  book: PermitBook;
  webDomain: string;
  fetch?: typeof fetch;
  now?: () => number;
}

/**
 * Asks the provider, proving who we are with a permit for no credit. Over plain http nobody is
 * asked, as permits are sent over https only, and the answer is what is known.
 * @throws KhachapuriError `payment_required` when it claims more than we would sign for, or proves
 * it by what is no proof; `provider_unavailable` when it does not say
 */
export async function askCharged(chain: Chain, question: LaneQuestion): Promise<bigint> {
  const { account, key, usdc, price, book, webDomain, now = Date.now } = question;
  const known = await book.charged(key);
  if (!isConfidential(new URL(webDomain))) return known;
  const { escrow, provider, payer, lane } = key;
  const { payment, settled, allowance } = await signPayment(chain, account, {
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
  const answer = await askProvider({
    webDomain,
    path: "/lane",
    bytesMax: PROVIDER_JSON_BYTES_MAX,
    headers: { [PAYMENT_SIGNATURE_HEADER]: encodePaymentHeader(payment) },
    ...(question.fetch ? { fetch: question.fetch } : {}),
  }).catch((cause) => {
    throw new KhachapuriError("provider_unavailable", `${webDomain} does not say`, { cause });
  });
  const what = "the provider's answer";
  const json = parseJson(new TextDecoder().decode(answer), what, "provider_unavailable");
  const { cumulative, proof } = parseShape(answerShape, json, what, "provider_unavailable");
  const least = settled > known ? settled : known;
  if (cumulative <= least) return least;
  const claims = new LaneClaims({ key, signer: account.address, price, book, now });
  await claims.noteSigned(payment.permit, least);
  return await claims.accept({ id: lane, cumulative, ...(proof ? { proof } : {}) }, allowance);
}
