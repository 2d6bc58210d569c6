/** A failure as the caller sees it: a status, JSON for people, and x402's form of a 402. */
import type { Hex } from "viem";
import type { KhachapuriError } from "../../errors.ts";
import {
  type CreditsOffer,
  PAYMENT_REQUIRED_HEADER,
  paymentRequired,
  toHeader,
} from "../../payment_header.ts";
import type { HeaderField } from "./header_rules.ts";

/** The body is returned beside the response, for whoever has to hash or keep it. */
export interface Failure {
  status: number;
  headers: HeaderField[];
  body: Uint8Array<ArrayBuffer>;
}

/**
 * Renders an error. What we did not foresee shows nothing of itself.
 * @param path of the request, for the 402
 */
export function failureOf(error: KhachapuriError, offer: CreditsOffer, path: string): Failure {
  const headers: HeaderField[] = [
    ["content-type", "application/json"],
    ["cache-control", "no-store"],
    ["x-content-type-options", "nosniff"],
  ];
  if (error.retryAfterSeconds !== undefined) {
    headers.push(["retry-after", String(Math.ceil(error.retryAfterSeconds))]);
  }
  if (typeof error.data.allow === "string") headers.push(["allow", error.data.allow]);
  if (error.code === "payment_required") {
    const offers = [{ ...offer, ...laneOf(error) }];
    const required = paymentRequired(offers, { url: path, error: error.shortMessage });
    headers.push([PAYMENT_REQUIRED_HEADER, toHeader(required)]);
    headers.push(["access-control-expose-headers", PAYMENT_REQUIRED_HEADER]);
  }
  const shown = error.code === "internal"
    ? { error: "internal", message: "the provider failed" }
    : error.toJSON();
  const body = new TextEncoder().encode(JSON.stringify(shown, null, 2) + "\n");
  return { status: error.status, headers, body };
}

/** The count that a caller who proved itself may go on from. */
function laneOf({ data }: KhachapuriError): Pick<CreditsOffer, "lane"> {
  if (typeof data.lane !== "string" || typeof data.cumulative !== "string") return {};
  return { lane: { id: data.lane as Hex, cumulative: BigInt(data.cumulative) } };
}
