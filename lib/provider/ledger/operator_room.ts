/** What an operator whose provider bounded it (`setOperator`) may settle in the time left. */

/** What the escrow lets an operator settle, as of a block. */
export interface OperatorLimits {
  /** Unix seconds from which it settles nothing. */
  readonly expiry: bigint;
  /** Most that it settles in a day of UTC, USDC base units; zero when there is no cap. */
  readonly dailyCap: bigint;
  /** What it had settled of that in `day`. */
  readonly spent: bigint;
  /** The day of the block, in days since 1970. */
  readonly day: bigint;
}

/** Seconds of a day. */
export const DAY = 86_400n;

/** USDC base units that the operator may still settle in the day of `limits`. */
export function leftToday({ dailyCap, spent }: OperatorLimits): bigint {
  return spent < dailyCap ? dailyCap - spent : 0n;
}

/**
 * USDC base units that the operator may settle: what is left of the day of `now`, and the cap in
 * each day that begins before `until`, both Unix seconds. Null when that is any amount.
 */
export function operatorRoom(limits: OperatorLimits, now: bigint, until: bigint): bigint | null {
  const { expiry, dailyCap, day } = limits;
  if (expiry <= now) return 0n;
  if (dailyCap === 0n) return null;
  const end = until < expiry ? until : expiry;
  const today = now / DAY;
  const left = day >= today ? leftToday(limits) : dailyCap;
  const later = end > now ? (end - 1n) / DAY - today : 0n;
  return left + later * dailyCap;
}
