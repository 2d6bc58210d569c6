/** A failure as the caller sees it: a status, JSON for people, and x402's form of a 402. */
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { isFull } from "../../files.ts";
import { MACHINE_RETRY_SECONDS } from "../../limits_of_machine.ts";
import {
  type Accept,
  PAYMENT_REQUIRED_HEADER,
  PAYMENT_RESPONSE_HEADER,
  paymentRequired,
  type Resource,
  toHeader,
} from "../../payment_required.ts";
import { describing } from "../../x402_discovery.ts";
import { PAYMENT_RESPONSE_HEADER_V1, paymentRequiredV1 } from "../../x402_v1.ts";
import { challengeOf } from "./challenge.ts";
import { READABLE } from "./cors.ts";
import type { HeaderField } from "./header_rules.ts";
import { PAYMENT_PAGE_POLICY, paymentPageHtml, type PaymentPlace } from "./payment_page.ts";

/** What went wrong here, as a caller is to hear of it: a full disk is no fault that stays. */
export function asServingError(thrown: unknown): KhachapuriError {
  if (!isFull(thrown) || thrown instanceof KhachapuriError && thrown.code === "overloaded") {
    return asKhachapuriError(thrown);
  }
  return new KhachapuriError("overloaded", "the provider's disk is full", {
    retryAfterSeconds: MACHINE_RETRY_SECONDS,
    cause: thrown,
  });
}

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

/** What a 402 says beside its reason. */
export interface Asking {
  readonly accepts: Accepts;
  readonly resource: Resource;
  /** Where a person goes on; null: the answer is for a program. */
  readonly page: PaymentPlace | null;
}

const FIELDS: readonly HeaderField[] = [
  ["cache-control", "no-store"],
  ["x-content-type-options", "nosniff"],
  ...READABLE,
];

/** Of errors that are told as they are to many: under load most of what is said is one of them. */
const PREPARED = new WeakMap<KhachapuriError, Failure>();

/** The same error has one answer from now on; it is told to nobody by name. */
export function prepared(error: KhachapuriError): KhachapuriError {
  PREPARED.set(error, failureOf(error));
  return error;
}

/**
 * Renders an error. What we did not foresee shows nothing of itself.
 * @param asking null: there is nothing to pay for, or it is not known what
 */
export function failureOf(error: KhachapuriError, asking: Asking | null = null): Failure {
  if (error.code === "payment_required" && asking) return unpaid(error, asking);
  const ready = PREPARED.get(error);
  // Whoever sends it may add to its head.
  if (ready) return { ...ready, headers: [...ready.headers] };
  const shown = error.code === "internal"
    ? { error: "internal", message: "the provider failed" }
    : shownOf(error);
  return jsonFailure(error, [], shown);
}

/**
 * A 402. One whose money was offered and did not come says what became of that, and asks for no
 * other: whoever it is decides anew (x402, transports-v2/http.md).
 */
function unpaid(error: KhachapuriError, { accepts, page, ...asking }: Asking): Failure {
  const { x402Reason, settlement } = error.data;
  if (typeof settlement === "object" && settlement !== null) {
    const told = toHeader(settlement);
    const fields: HeaderField[] = [
      [PAYMENT_RESPONSE_HEADER, told],
      [PAYMENT_RESPONSE_HEADER_V1, told],
    ];
    return jsonFailure(error, fields, shownOf(error));
  }
  const entries = accepts(error);
  const reason = typeof x402Reason === "string" ? x402Reason : error.shortMessage;
  const required = describing(paymentRequired(entries, asking.resource, reason), error.described);
  const { resource } = required;
  const fields: HeaderField[] = [
    [PAYMENT_REQUIRED_HEADER, challengeOf(required)],
    ["vary", "accept"],
  ];
  if (page === null) {
    return jsonFailure(error, fields, {
      ...shownOf(error),
      ...paymentRequiredV1(entries, resource),
    });
  }
  const html = paymentPageHtml({ error, entries, resource, ...page });
  const headers: HeaderField[] = [
    ["content-type", "text/html; charset=utf-8"],
    ["content-security-policy", PAYMENT_PAGE_POLICY],
    ...FIELDS,
    ...fields,
  ];
  return { status: error.status, headers, body: new TextEncoder().encode(html) };
}

/** The error's JSON, x402's word for it as `reason`; what became of a payment is in the headers. */
function shownOf(error: KhachapuriError): object {
  const { x402Reason, settlement: _, ...shown } = error.toJSON() as Record<string, unknown>;
  return x402Reason === undefined ? shown : { ...shown, reason: x402Reason };
}

function jsonFailure(
  error: KhachapuriError,
  fields: readonly HeaderField[],
  shown: object,
): Failure {
  const headers: HeaderField[] = [["content-type", "application/json"], ...FIELDS, ...fields];
  if (error.retryAfterSeconds !== undefined) {
    headers.push(["retry-after", String(Math.ceil(error.retryAfterSeconds))]);
  }
  if (error.allow !== undefined) headers.push(["allow", error.allow]);
  const body = new TextEncoder().encode(JSON.stringify(shown, null, 2) + "\n");
  return { status: error.status, headers, body };
}
