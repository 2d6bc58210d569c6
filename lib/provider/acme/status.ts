/** How having the certificate goes, kept so that an end of the process does not begin it anew. */
import * as v from "valibot";
import type { AcmeConfig } from "../../config_acme.ts";

const timeShape = v.pipe(v.number(), v.finite());

const failureShape = v.strictObject({
  /** ms since the epoch, as all times here. */
  at: timeShape,
  message: v.string(),
  hints: v.array(v.string()),
  /** The CA's kind of it, or ours. */
  problem: v.nullable(v.string()),
});

export const statusShape = v.strictObject({
  version: v.literal(1),
  /** What is asked of which CA, and how: another wish is tried at once. */
  wish: v.string(),
  /** Attempts in a row that came to nothing, with one that is under way. */
  failures: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** Nothing is ordered before. */
  restUntil: timeShape,
  lastFailure: v.nullable(failureShape),
  /** Whether the staging directory has given a certificate for this wish. */
  isRehearsed: v.boolean(),
});

export type Status = v.InferOutput<typeof statusShape>;
export type Failure = v.InferOutput<typeof failureShape>;

export function freshStatus(wish: string): Status {
  return { version: 1, wish, failures: 0, restUntil: 0, lastFailure: null, isRehearsed: false };
}

/** What an earlier failure says nothing about when it is changed. */
export function wishOf(names: readonly string[], acme: AcmeConfig): string {
  const { directory, challenge, dns, eab, email, httpListen } = acme;
  return JSON.stringify([names, directory, challenge, dns ?? null, eab ?? null, email, httpListen]);
}

/**
 * What is known of a wish by what was known before. A CA's limit stays: it counts what was asked of
 * it, however it is asked next.
 */
export function statusFor(wish: string, before: Status | null): Status {
  if (before === null) return freshStatus(wish);
  if (before.wish === wish) return before;
  const isLimited = before.lastFailure?.problem === "rateLimited";
  return isLimited ? { ...before, wish, isRehearsed: false } : freshStatus(wish);
}
