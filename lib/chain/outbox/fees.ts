/**
 * What a transaction pays for a unit of gas: at first, and when it is signed again. Pure.
 *
 * A fee follows the price of gas and nothing else. Who waits for other reasons (no coin, no blocks,
 * no node) is not helped by a higher one, and would pay it when they are over.
 */

export interface Fees {
  /** Wei for a unit of gas. */
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

/** What the chain was asked about gas, and answered. */
export interface Price {
  /** The newest block's number. */
  head: bigint;
  /** The next block's base fee, wei for a unit of gas. */
  baseFee: bigint;
  /** What makes a block's maker prefer a transaction, wei for a unit of gas. */
  tip: bigint;
}

/** What a unit of gas costs now, wei. */
export function gasPriceOf({ baseFee, tip }: Price): bigint {
  return baseFee + tip;
}

/** The base fee may double before such a transaction must be signed again. */
export function freshFees({ baseFee, tip }: Price): Fees {
  return { maxFeePerGas: 2n * baseFee + tip, maxPriorityFeePerGas: tip };
}

/** @param cap the most for a unit of gas, wei; null: no limit */
export function capFees({ maxFeePerGas, maxPriorityFeePerGas }: Fees, cap: bigint | null): Fees {
  const most = least(maxFeePerGas, cap);
  return { maxFeePerGas: most, maxPriorityFeePerGas: least(maxPriorityFeePerGas, most) };
}

/** A unit of gas costs more than the transaction may pay: nothing was signed. */
export class GasTooDear extends Error {
  /**
   * @param price what it costs, wei
   * @param cap what may be paid for it, wei
   */
  constructor(readonly price: bigint, readonly cap: bigint) {
    super("gas is too dear");
  }
}

/**
 * The fees of a transaction's first form.
 * @param cap the most for a unit of gas, wei; null: no limit
 * @throws GasTooDear when no block would take it for so little
 */
export function launchFees(price: Price, cap: bigint | null): Fees {
  if (cap !== null && cap < price.baseFee) throw new GasTooDear(gasPriceOf(price), cap);
  return capFees(freshFees(price), cap);
}

/** Whether a transaction with these fees pays what one signed now would. */
export function isFresh(fees: Fees, price: Price): boolean {
  const fresh = freshFees(price);
  return fees.maxFeePerGas >= fresh.maxFeePerGas &&
    fees.maxPriorityFeePerGas >= fresh.maxPriorityFeePerGas;
}

/** Whether one with these fees may be expected in one of the next blocks. */
export function clears(fees: Fees, { baseFee, tip }: Price): boolean {
  // The base fee grows by an eighth from one block to the next at most.
  return fees.maxFeePerGas >= baseFee + baseFee / 4n + tip && fees.maxPriorityFeePerGas >= tip;
}

/** From so many forms of one transaction on each pays twice the last: their number stays small. */
const SMALL_STEPS = 8;

/**
 * The fees of a transaction's next form: those wanted, and so much more than the last form's that
 * nodes take it for the same nonce (they ask for a tenth).
 * @param forms how many there are
 * @returns null when the cap leaves no room for that
 */
export function raiseFees(
  last: Fees,
  wanted: Fees,
  cap: bigint | null,
  forms: number,
): Fees | null {
  const step = (fee: bigint) => forms < SMALL_STEPS ? fee + fee / 8n + 1n : 2n * fee + 1n;
  const enough = (fee: bigint) => fee + fee / 10n + 1n;
  const raised = capFees({
    maxFeePerGas: greatest(step(last.maxFeePerGas), wanted.maxFeePerGas),
    maxPriorityFeePerGas: greatest(step(last.maxPriorityFeePerGas), wanted.maxPriorityFeePerGas),
  }, cap);
  const isTaken = raised.maxFeePerGas >= enough(last.maxFeePerGas) &&
    raised.maxPriorityFeePerGas >= enough(last.maxPriorityFeePerGas);
  return isTaken ? raised : null;
}

const least = (a: bigint, b: bigint | null) => b !== null && b < a ? b : a;
const greatest = (a: bigint, b: bigint) => a > b ? a : b;
