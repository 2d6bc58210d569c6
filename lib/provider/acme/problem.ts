/** What a CA says is wrong (RFC 7807, RFC 8555 section 6.7), for whoever has to mend it. */
import * as v from "valibot";
import { KhachapuriError } from "../../errors.ts";
import { CA_REST_MS_MAX, CA_WORDS_CHARACTERS_MAX } from "../../limits_of_certificates.ts";

const identifierShape = v.object({ value: v.string() });

const partShape = v.object({
  type: v.optional(v.string(), "about:blank"),
  detail: v.optional(v.string(), ""),
  identifier: v.optional(identifierShape),
});

const problemShape = v.object({
  ...partShape.entries,
  subproblems: v.optional(v.array(partShape), []),
});

export type Problem = v.InferOutput<typeof problemShape>;

const ACME = "urn:ietf:params:acme:error:";

/** By the type's last part. */
const ADVICE: Readonly<Record<string, string>> = {
  connection: "it has to be let in from anywhere: firewall, port, and a record (A, AAAA) that " +
    "leads to this machine; one AAAA that leads elsewhere is enough to fail",
  dns: "see the domain's records: dig +trace; a broken DNSSEC chain looks the same",
  caa: "the domain's CAA record names who may issue for it: add the CA there, or remove it",
  unauthorized: "something else answers for the domain: its record leads to another machine, or " +
    "a proxy or CDN stands before this one",
  incorrectResponse: "something else answers for the domain: see whom its records lead to",
  tls: "something else speaks TLS at port 443 of the domain: see whom its records lead to",
  rateLimited: "the CA counts what was asked for a domain; it is asked again when it says so",
  rejectedIdentifier: "the CA gives none for this name: see provider.webDomain",
  externalAccountRequired: "the CA wants provider.acme.eab: get a key from it",
  userActionRequired: "the CA has new terms: read and agree to them",
  invalidContact: "see provider.acme.email",
  unsupportedContact: "see provider.acme.email",
};

/** A problem document; null for what is none. */
export function readProblem(value: unknown): Problem | null {
  const { success, output } = v.safeParse(problemShape, value);
  if (!success || Array.isArray(value)) return null;
  const isEmpty = output.type === "about:blank" && output.detail === "";
  return isEmpty && output.subproblems.length === 0 ? null : output;
}

/** The problem's kind as ACME names it, e.g. "rateLimited"; another's type as it is. */
export function kindOf({ type }: Pick<Problem, "type">): string {
  return type.startsWith(ACME) ? type.slice(ACME.length) : type;
}

/**
 * A refusal of a CA.
 * @param doing what was asked of it, e.g. "the order for a.example"
 */
export function refusalOf(
  problem: Problem,
  doing: string,
  more: { retryAfterSeconds?: number | undefined; cause?: unknown } = {},
): KhachapuriError {
  const parts = [problem, ...problem.subproblems].map(wordsOf);
  const kinds = [problem, ...problem.subproblems].map(kindOf);
  const advice = kinds.flatMap((kind) => ADVICE[kind] ?? []);
  return new KhachapuriError(
    "no_certificate",
    `${doing}: ${plain([...new Set(parts)].join("; "))}`,
    { hints: [...new Set(advice)], data: { problem: kinds[0] }, ...more },
  );
}

function wordsOf(problem: Pick<Problem, "type" | "detail" | "identifier">): string {
  const { detail, identifier } = problem;
  const name = identifier ? `${identifier.value}: ` : "";
  return `${name}${detail || "no word of why"} (${kindOf(problem)})`;
}

/** A stranger's text in one line, without what would move a terminal's cursor. */
export function plain(text: string): string {
  // deno-lint-ignore no-control-regex
  const line = text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, " ").trim();
  return line.length > CA_WORDS_CHARACTERS_MAX
    ? `${line.slice(0, CA_WORDS_CHARACTERS_MAX)}…`
    : line;
}

/**
 * Seconds that a Retry-After asks for (RFC 9110, section 10.2.3); undefined for what is none.
 * @param now ms since the epoch
 */
export function retryAfter(field: string | null | undefined, now: number): number | undefined {
  if (!field) return undefined;
  const text = field.trim();
  const seconds = /^[0-9]+$/.test(text) ? Number(text) : (Date.parse(text) - now) / 1_000;
  if (!(seconds > 0)) return undefined;
  return Math.min(Math.ceil(seconds), CA_REST_MS_MAX / 1_000);
}
