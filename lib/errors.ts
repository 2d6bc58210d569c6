import { type LaneCount, laneCountToJson } from "./lane_count.ts";
import type { DescribedResource } from "./x402_discovery.ts";

/**
 * Every failure a person or a program can meet has a stable code. This table is the only place
 * where a code becomes an HTTP status (provider) or an exit code (command line).
 *
 * Exit codes: 1 unexpected, 2 usage, 3 input, 4 absent, 5 payment, 6 keys and rights,
 * 7 unreachable (try again), 8 the program's own failure.
 */
const CODES = {
  usage: { status: 400, exit: 2 },
  invalid_config: { status: 500, exit: 3 },
  invalid_input: { status: 400, exit: 3 },
  invalid_cid: { status: 400, exit: 3 },
  invalid_spec: { status: 422, exit: 3 },
  invalid_program: { status: 422, exit: 3 },
  invalid_name: { status: 400, exit: 3 },
  invalid_signature: { status: 403, exit: 3 },
  body_too_large: { status: 413, exit: 3 },
  headers_too_large: { status: 431, exit: 3 },
  method_not_allowed: { status: 405, exit: 3 },
  not_acceptable: { status: 406, exit: 3 },
  not_found: { status: 404, exit: 4 },
  not_cached: { status: 412, exit: 4 },
  stopped: { status: 410, exit: 4 },
  file_unusable: { status: 500, exit: 3 },
  misdirected: { status: 421, exit: 4 },
  name_conflict: { status: 409, exit: 3 },
  name_unavailable: { status: 503, exit: 7 },
  payment_required: { status: 402, exit: 5 },
  terms_refused: { status: 403, exit: 5 },
  untrusted_escrow: { status: 403, exit: 5 },
  idempotency_conflict: { status: 409, exit: 5 },
  idempotency_mismatch: { status: 422, exit: 3 },
  access_denied: { status: 403, exit: 6 },
  denied: { status: 403, exit: 6 },
  insecure_key_file: { status: 500, exit: 6 },
  rate_limited: { status: 429, exit: 7 },
  overloaded: { status: 503, exit: 7 },
  chain_unavailable: { status: 503, exit: 7 },
  chain_refused: { status: 502, exit: 5 },
  database_unavailable: { status: 503, exit: 7 },
  ipfs_unavailable: { status: 503, exit: 7 },
  ipfs_mismatch: { status: 502, exit: 7 },
  sandbox_unavailable: { status: 503, exit: 7 },
  provider_unavailable: { status: 502, exit: 7 },
  no_certificate: { status: 503, exit: 7 },
  not_implemented: { status: 501, exit: 3 },
  program_failed: { status: 502, exit: 8 },
  program_timeout: { status: 504, exit: 8 },
  program_limit: { status: 502, exit: 8 },
  internal: { status: 500, exit: 1 },
} as const;

/** The stable name of a failure; part of the HTTP and `--json` interface. */
export type ErrorCode = keyof typeof CODES;

const PROGRAM_CODES: ReadonlySet<ErrorCode> = new Set([
  "program_failed",
  "program_timeout",
  "program_limit",
]);

/** Whether the failure is a program's own, which its run is paid for all the same. */
export function isProgramsOwn({ code }: KhachapuriError): boolean {
  return PROGRAM_CODES.has(code);
}

export interface KhachapuriErrorOptions {
  /** What the reader can do about it, one step a line. */
  hints?: readonly string[];
  cause?: unknown;
  /** Seconds after which trying again makes sense; becomes `Retry-After`. */
  retryAfterSeconds?: number | undefined;
  /** The methods that a path takes; becomes `Allow`. */
  allow?: string | undefined;
  /** Told to who proved to be a payer: where its next permit on the lane has to go on. */
  lane?: LaneCount | undefined;
  /** Of a call that nobody pays for: how many credits its run may take. */
  creditsMax?: number | undefined;
  /** Of such a call: what its owner says in public of what was called. */
  described?: DescribedResource | undefined;
  /**
   * Machine-readable facts shown beside the message; never a secret. Nothing acts on them, but that
   * a 402 says two as x402 does: `x402Reason`, its word for the message, and `settlement`, what
   * became of the money that was to come (the JSON of PAYMENT-RESPONSE), in place of an offer.
   */
  data?: Readonly<Record<string, unknown>>;
}

/** The one error class: a stable code, one sentence, and what to do next. */
export class KhachapuriError extends Error {
  override readonly name = "KhachapuriError";
  readonly code: ErrorCode;
  readonly shortMessage: string;
  readonly hints: readonly string[];
  readonly retryAfterSeconds: number | undefined;
  readonly allow: string | undefined;
  readonly lane: LaneCount | undefined;
  readonly creditsMax: number | undefined;
  readonly described: DescribedResource | undefined;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, shortMessage: string, options: KhachapuriErrorOptions = {}) {
    super(shortMessage, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.shortMessage = shortMessage;
    this.hints = options.hints ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.allow = options.allow;
    this.lane = options.lane;
    this.creditsMax = options.creditsMax;
    this.described = options.described;
    this.data = options.data ?? {};
  }

  /** The same failure, in other words or told with more: what `told` does not name stays. */
  toldWith(
    { message = this.shortMessage, ...told }: KhachapuriErrorOptions & { message?: string },
  ): KhachapuriError {
    return new KhachapuriError(this.code, message, { ...this, cause: this, ...told });
  }

  /** HTTP status of this failure (RFC 9110). */
  get status(): number {
    return CODES[this.code].status;
  }

  /** Process exit code of this failure. */
  get exitCode(): number {
    return CODES[this.code].exit;
  }

  /** The shape that responses and `--json` carry. */
  toJSON(): { error: ErrorCode; message: string; hints?: readonly string[] } {
    return {
      error: this.code,
      message: this.shortMessage,
      ...(this.hints.length > 0 ? { hints: this.hints } : {}),
      ...this.data,
      ...(this.allow === undefined ? {} : { allow: this.allow }),
      ...(this.lane ? laneCountToJson(this.lane) : {}),
      ...(this.creditsMax === undefined ? {} : { creditsMax: this.creditsMax }),
    };
  }
}

/** The code that a text from elsewhere names; null for none of ours. */
export function knownCode(text: unknown): ErrorCode | null {
  return typeof text === "string" && Object.hasOwn(CODES, text) ? text as ErrorCode : null;
}

/** Every code with its status and exit code, for the documentation and its test. */
export function errorTable(): { code: ErrorCode; status: number; exit: number }[] {
  return Object.entries(CODES).map(([code, row]) => ({ code: code as ErrorCode, ...row }));
}

/**
 * Content that was fetched but is not what it should be (`invalid_input` of the fetcher), under the
 * code and in the words of whoever wanted it; every other error as it is.
 */
export function unfit(thrown: unknown, code: ErrorCode, message: string): unknown {
  if (!(thrown instanceof KhachapuriError) || thrown.code !== "invalid_input") return thrown;
  const { shortMessage, data } = thrown;
  return new KhachapuriError(code, `${message}: ${shortMessage}`, { cause: thrown, data });
}

/** Anything thrown, as a `KhachapuriError`; what we did not foresee becomes `internal`. */
export function asKhachapuriError(thrown: unknown): KhachapuriError {
  if (thrown instanceof KhachapuriError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new KhachapuriError("internal", `unexpected failure: ${message}`, { cause: thrown });
}
