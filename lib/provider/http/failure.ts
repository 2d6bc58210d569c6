/** A failure as the caller sees it: a status, JSON for people, and x402's form of a 402. */
import type { KhachapuriError } from "../../errors.ts";
import {
  type Accept,
  PAYMENT_REQUIRED_HEADER,
  paymentRequired,
  toHeader,
} from "../../payment_required.ts";
import { describing } from "../../x402_discovery.ts";
import { READABLE } from "./cors.ts";
import type { HeaderField } from "./header_rules.ts";

/** The body is returned beside the head, for whoever has to hash or keep it. */
export interface Failure {
  status: number;
  headers: HeaderField[];
  body: Uint8Array<ArrayBuffer>;
}

/**
 * What a 402 asks for: the entries of x402's `accepts`.
 * @param about what is said of the payer's lane and of what was called, if anything is
 */
export type Accepts = (about: Partial<Pick<KhachapuriError, "lane" | "creditsMax">>) => Accept[];

/**
 * Renders an error. What we did not foresee shows nothing of itself.
 * @param path of the request, for the 402
 */
export function failureOf(error: KhachapuriError, accepts: Accepts, path: string): Failure {
  const headers: HeaderField[] = [
    ["content-type", "application/json"],
    ["cache-control", "no-store"],
    ["x-content-type-options", "nosniff"],
    ...READABLE,
  ];
  if (error.retryAfterSeconds !== undefined) {
    headers.push(["retry-after", String(Math.ceil(error.retryAfterSeconds))]);
  }
  if (error.allow !== undefined) headers.push(["allow", error.allow]);
  if (error.code === "payment_required") {
    const about = { url: path, error: error.shortMessage };
    const required = paymentRequired(accepts(error), about);
    headers.push([PAYMENT_REQUIRED_HEADER, toHeader(describing(required, error.described))]);
  }
  const shown = error.code === "internal"
    ? { error: "internal", message: "the provider failed" }
    : error.toJSON();
  const body = new TextEncoder().encode(JSON.stringify(shown, null, 2) + "\n");
  return { status: error.status, headers, body };
}
