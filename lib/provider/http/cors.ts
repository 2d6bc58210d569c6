/**
 * What web pages of other origins may do (Fetch standard, section "CORS protocol"): send whatever
 * anybody may send without a browser, and read what we say ourselves. Credentials are never let: a
 * browser sends a page's request without cookies, so it is worth no more than a stranger's. That is
 * why every preflight to a deployment is answered here, for free, whatever the program would say;
 * whether a page may read the program's answer is the program's to say, in that answer, and where
 * it says nothing its owner's, in the spec.
 */
import {
  PAYMENT_REQUIRED_HEADER,
  PAYMENT_RESPONSE_HEADER,
  PAYMENT_SIGNATURE_HEADER,
} from "../../payment_required.ts";
import { ANY_ORIGIN, type Cors } from "../../spec/cors.ts";
import { PAYMENT_HEADER_V1, PAYMENT_RESPONSE_HEADER_V1 } from "../../x402_v1.ts";
import { type HeaderField, TOKEN } from "./header_rules.ts";
import type { Answer } from "./request.ts";

/** In which money is spoken of: to clients of x402's second version and its first. */
const OF_MONEY = [PAYMENT_REQUIRED_HEADER, PAYMENT_RESPONSE_HEADER, PAYMENT_RESPONSE_HEADER_V1];

/** Of our own answers and refusals. The same for every origin, so that they vary by none. */
export const READABLE: readonly HeaderField[] = [
  ["access-control-allow-origin", ANY_ORIGIN],
  [
    "access-control-expose-headers",
    [...OF_MONEY, "Retry-After", "Allow", "X-Terms-Hash"].join(", "),
  ],
];

/**
 * What a page that pays for itself sends, beside what it asks for. The last one belongs to answers,
 * and stock clients (`@x402/fetch`) send it with their requests.
 */
const ALWAYS_ALLOWED = [
  PAYMENT_SIGNATURE_HEADER,
  PAYMENT_HEADER_V1,
  "Content-Type",
  "Idempotency-Key",
  "Access-Control-Expose-Headers",
];

/** How long a browser may go by a preflight; Chromium takes no longer one. */
const PREFLIGHT_SECONDS = 7_200;
/** The same of a deployment that we have not opened: its owner may have said something else. */
const UNKNOWN_PREFLIGHT_SECONDS = 60;

type Fields = Pick<Headers, "get">;

/** Whether a browser asks if a page may send a request, instead of sending it. */
export function isPreflight(method: string, fields: Fields): boolean {
  return method === "OPTIONS" && fields.get("origin") !== null &&
    fields.get("access-control-request-method") !== null;
}

/** What allows the request that a preflight asks about; goes with READABLE. */
export function preflightFields(fields: Fields, seconds = PREFLIGHT_SECONDS): HeaderField[] {
  return [
    ...allowedFields(fields, {}),
    ["access-control-max-age", String(seconds)],
    ["vary", "Access-Control-Request-Method, Access-Control-Request-Headers"],
  ];
}

/** What is not listed is whatever the page asks for. */
function allowedFields(
  fields: Fields,
  { methods, headers }: Pick<Cors, "methods" | "headers">,
): HeaderField[] {
  const method = fields.get("access-control-request-method") ?? "";
  const asked = (fields.get("access-control-request-headers") ?? "").split(",");
  const allowed = new Map<string, string>();
  for (const name of [...ALWAYS_ALLOWED, ...headers ?? asked.map((name) => name.trim())]) {
    if (TOKEN.test(name)) allowed.set(name.toLowerCase(), name);
  }
  const allowedMethods = methods ?? (TOKEN.test(method) ? [method] : []);
  return [
    ...(allowedMethods.length > 0
      ? [["access-control-allow-methods", allowedMethods.join(", ")] as HeaderField]
      : []),
    ["access-control-allow-headers", [...allowed.values()].join(", ")],
  ];
}

/** The answer to an OPTIONS that runs no program, and costs nobody anything. */
export function preflightAnswer(
  fields: Fields,
  own: readonly HeaderField[] = [],
  seconds = PREFLIGHT_SECONDS,
): Answer {
  return { status: 204, headers: [...own, ...preflightFields(fields, seconds)], body: null };
}

/**
 * The answer to a deployment's preflight.
 * @param known what its owner said of pages, which may be nothing; null: its spec is not open here,
 *   and a preflight is no reason to fetch it
 */
export function deploymentPreflight(fields: Fields, known: { cors?: Cors } | null): Answer {
  if (known === null) return readable(preflightAnswer(fields, [], UNKNOWN_PREFLIGHT_SECONDS));
  const { cors } = known;
  if (cors === undefined) return readable(preflightAnswer(fields));
  const vary: HeaderField = [
    "vary",
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
  ];
  const origin = allowedOrigin(fields, cors);
  // Without the field that allows its origin the browser does not let the page send it.
  if (origin === null) return { status: 204, headers: [vary], body: null };
  const headers: HeaderField[] = [
    ["access-control-allow-origin", origin],
    ...allowedFields(fields, cors),
    ["access-control-max-age", String(cors.maxAgeSeconds ?? PREFLIGHT_SECONDS)],
    vary,
  ];
  return { status: 204, headers, body: null };
}

/** null: the page may not read. */
function allowedOrigin(fields: Fields, { origins }: Cors): string | null {
  if (origins === ANY_ORIGIN) return ANY_ORIGIN;
  const origin = fields.get("origin");
  return origin !== null && origins.includes(origin) ? origin : null;
}

/** A deployment's answer, readable as its owner said where its program does not say it. */
export function readableAs(cors: Cors | undefined, fields: Fields, answer: Answer): Answer {
  const isSaid = answer.headers.some(([name]) => name === "access-control-allow-origin");
  if (cors === undefined || isSaid) return answer;
  const origin = allowedOrigin(fields, cors);
  const told: HeaderField[] = origin === null ? [] : [
    ["access-control-allow-origin", origin],
    ["access-control-expose-headers", [...OF_MONEY, ...cors.expose ?? []].join(", ")],
  ];
  // Whoever keeps it must not give it to a page of another origin.
  if (cors.origins !== ANY_ORIGIN) told.push(["vary", "Origin"]);
  return { ...answer, headers: [...answer.headers, ...told] };
}

/** Pages of other origins may read it, and what fields it names itself for them. */
export function readable(answer: Answer): Answer {
  const own = answer.headers.filter(([name, value]) =>
    name !== "access-control-allow-origin" && !READABLE.some((field) => field[1] === value)
  );
  return { ...answer, headers: [...own, ...READABLE] };
}
