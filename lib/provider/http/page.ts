/** What a provider offers, as its front page says it to a program. */
import type { Address, Hex } from "viem";
import { REQUEST_BODY_BYTES_MAX, RESPONSE_BYTES_MAX } from "../../limits.ts";
import type { Accept, CreditsOffer } from "../../payment_header.ts";

export interface Offering {
  name: string;
  address: Address;
  webDomain: string;
  recipients: readonly string[];
  /** Of each terms text, newest first. */
  termsHashes: readonly Hex[];
  /** What one call costs, for people. */
  offer: CreditsOffer;
  timeoutMs: number;
  memoryMb: number;
}

/**
 * The front page as JSON.
 * @param accepts the entries of x402's `accepts`
 */
export function offeringJson(offering: Offering, accepts: readonly Accept[]) {
  const { name, address, webDomain, recipients, termsHashes, timeoutMs, memoryMb } = offering;
  return {
    name,
    address,
    webDomain,
    recipients,
    terms: termsHashes,
    accepts,
    limits: {
      timeoutMs,
      memoryMb,
      requestBytes: REQUEST_BODY_BYTES_MAX,
      responseBytes: RESPONSE_BYTES_MAX,
    },
  };
}
