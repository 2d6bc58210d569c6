/** What a provider offers, as its front page says it to a program. */
import type { Address, Hex } from "viem";
import { formatUsdc } from "../../chain/usdc.ts";
import type { OldPrice } from "../../config.ts";
import { REQUEST_BODY_BYTES_MAX, RESPONSE_BYTES_MAX } from "../../limits.ts";
import type { Accept, CreditsOffer } from "../../payment_header.ts";
import { timeText } from "../../time_text.ts";

export interface Offering {
  name: string;
  address: Address;
  webDomain: string;
  recipients: readonly string[];
  /** Of each terms text, newest first. */
  termsHashes: readonly Hex[];
  /** What one call costs, for people. */
  offer: CreditsOffer;
  /** What it cost before, and until when permits for that are served. */
  oldPrice?: OldPrice | undefined;
  timeoutMs: number;
  memoryMb: number;
}

/**
 * The front page as JSON.
 * @param accepts the entries of x402's `accepts`
 */
export function offeringJson(offering: Offering, accepts: readonly Accept[]) {
  const { name, address, webDomain, recipients, termsHashes, oldPrice, timeoutMs, memoryMb } =
    offering;
  return {
    name,
    address,
    webDomain,
    recipients,
    terms: termsHashes,
    accepts,
    ...(oldPrice
      ? { oldPrice: { amount: String(oldPrice.price), until: timeText(oldPrice.until) } }
      : {}),
    /** The processor that programs run on. */
    machine: Deno.build.arch,
    limits: {
      timeoutMs,
      memoryMb,
      requestBytes: REQUEST_BODY_BYTES_MAX,
      responseBytes: RESPONSE_BYTES_MAX,
    },
  };
}
/** Behind the price: until when permits for the earlier one are served; else nothing. */
export function oldPriceText({ oldPrice }: Pick<Offering, "oldPrice">): string {
  if (!oldPrice) return "";
  const until = timeText(oldPrice.until);
  return `; permits signed for ${
    formatUsdc(oldPrice.price)
  } USDC are served at that until ${until}`;
}
