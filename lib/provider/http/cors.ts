/**
 * What web pages of other origins may do (Fetch standard, section "CORS protocol"): send whatever
 * anybody may send without a browser, and read what we say ourselves. Credentials are never let: a
 * browser sends a page's request without cookies, so it is worth no more than a stranger's. That is
 * why every preflight to a deployment is answered here, for free, whatever the program would say;
 * whether a page may read the program's answer is the program's to say, in that answer.
 */
import {
  PAYMENT_REQUIRED_HEADER,
  PAYMENT_RESPONSE_HEADER,
  PAYMENT_SIGNATURE_HEADER,
} from "../../payment_required.ts";
import { PAYMENT_RESPONSE_HEADER_V1 } from "../../x402_v1.ts";
import { type HeaderField, TOKEN } from "./header_rules.ts";
import type { Answer } from "./request.ts";

/** Of our own answers and refusals. The same for every origin, so that they vary by none. */
export const READABLE: readonly HeaderField[] = [
  ["access-control-allow-origin", "*"],
  [
    "access-control-expose-headers",
    [
      PAYMENT_REQUIRED_HEADER,
      PAYMENT_RESPONSE_HEADER,
      PAYMENT_RESPONSE_HEADER_V1,
      "Retry-After",
      "Allow",
      "X-Terms-Hash",
    ].join(", "),
  ],
];

/** What a page that pays for itself sends, beside what it asks for. */
const ALWAYS_ALLOWED = [PAYMENT_SIGNATURE_HEADER, "Content-Type", "Idempotency-Key"];

/** How long a browser may go by a preflight; Chromium takes no longer one. */
const PREFLIGHT_SECONDS = 7_200;

type Fields = Pick<Headers, "get">;

/** Whether a browser asks if a page may send a request, instead of sending it. */
export function isPreflight(method: string, fields: Fields): boolean {
  return method === "OPTIONS" && fields.get("origin") !== null &&
    fields.get("access-control-request-method") !== null;
}

/** What allows the request that a preflight asks about; goes with READABLE. */
export function preflightFields(fields: Fields): HeaderField[] {
  const method = fields.get("access-control-request-method") ?? "";
  const names = (fields.get("access-control-request-headers") ?? "").split(",");
  const allowed = new Map<string, string>();
  for (const name of [...ALWAYS_ALLOWED, ...names.map((name) => name.trim())]) {
    if (TOKEN.test(name)) allowed.set(name.toLowerCase(), name);
  }
  return [
    ...(TOKEN.test(method) ? [["access-control-allow-methods", method] as HeaderField] : []),
    ["access-control-allow-headers", [...allowed.values()].join(", ")],
    ["access-control-max-age", String(PREFLIGHT_SECONDS)],
    ["vary", "Access-Control-Request-Method, Access-Control-Request-Headers"],
  ];
}

/** The answer to an OPTIONS that runs no program, and costs nobody anything. */
export function preflightAnswer(fields: Fields, own: readonly HeaderField[] = []): Answer {
  return { status: 204, headers: [...own, ...preflightFields(fields)], body: null };
}

/** Pages of other origins may read it, and what fields it names itself for them. */
export function readable(answer: Answer): Answer {
  const own = answer.headers.filter(([name, value]) =>
    name !== "access-control-allow-origin" && !READABLE.some((field) => field[1] === value)
  );
  return { ...answer, headers: [...own, ...READABLE] };
}
