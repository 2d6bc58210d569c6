/**
 * Whether debts are worth their gas. Anybody can make a provider owe itself a thousand rows of a
 * tenth of a cent each: nothing is spent to collect less than it brings.
 */
import { costOf, weiOf } from "./gas_worth.ts";
import type { Turn } from "./turn.ts";

/** What gas costs now. */
export interface GasTerms {
  /** Wei for a unit of gas. */
  readonly gasPrice: bigint;
  /** USDC base units for a whole coin; zero where gas costs nothing. */
  readonly coinPrice: bigint;
}

/** A debt, USDC base units, and whether it can wait for cheaper gas or for more to share a row. */
export interface Debt {
  readonly amount: bigint;
  readonly canWait: boolean;
}

/** While a debt can wait, gas may take up a tenth of it at most. */
const PATIENT_PART = 10n;
/** A debt that waits to be worth more has waited long enough, seconds; then all of it may go. */
export const DUST_SECONDS = 6 * 3_600;

/** Whether a debt can wait at `now`, Unix seconds: its end is not near, nor has it waited long. */
export function canWait({ due, end }: Turn, now: number, windowSeconds: number): boolean {
  return end - windowSeconds > now && due.since / 1_000 + DUST_SECONDS > now;
}

/** Whether debts that are settled together are worth so much gas. */
export function isWorth(debts: readonly Debt[], gas: bigint, terms: GasTerms): boolean {
  const bearable = debts.reduce(
    (sum, { amount, canWait }) => sum + (canWait ? amount / PATIENT_PART : amount),
    0n,
  );
  return bearable >= costOf(gas, terms.gasPrice, terms.coinPrice);
}

/**
 * The most that debts which are settled together may cost, wei, however dear gas becomes on the
 * way: what must go now costs what it brings at most, what could wait half of that. Null where gas
 * costs nothing.
 */
export function costMaxOf(debts: readonly Debt[], { coinPrice }: GasTerms): bigint | null {
  const most = debts.reduce(
    (sum, { amount, canWait }) => sum + (canWait ? amount / 2n : amount),
    0n,
  );
  return weiOf(most, coinPrice);
}
