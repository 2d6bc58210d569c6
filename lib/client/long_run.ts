/** What an owner's means are too small for, where a run may take more than one credit. */

/** What a deployment may take of its owner. */
export interface LongRun {
  /** Of one run. */
  credits: number;
  /** How long one credit lasts, ms: the spec's or the provider's time limit, whichever is lower. */
  timeoutMs: number;
  ownerCreditsPerMinute: number;
}

/**
 * Why one run would end as a timeout before it has taken all of its credits, in words.
 * @param allowed credits that the provider may still charge the owner
 */
export function longRunFaults(
  { credits, timeoutMs, ownerCreditsPerMinute }: LongRun,
  allowed: bigint,
): string[] {
  if (credits === 1) return [];
  const faults: string[] = [];
  const inMinute = Math.min(credits, Math.ceil(60_000 / timeoutMs));
  if (inMinute > ownerCreditsPerMinute) {
    faults.push(
      `one run takes up to ${inMinute} credits a minute, and callers may cost you ` +
        `${ownerCreditsPerMinute} (--owner-credits-per-minute)`,
    );
  }
  if (allowed < BigInt(credits)) {
    faults.push(`one run takes up to ${credits} credits, and you have allowed ${allowed}`);
  }
  return faults;
}
