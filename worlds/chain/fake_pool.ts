/** The transactions that wait on a chain in memory: which are taken in, which come next. */
import {
  type Address,
  type Hex,
  keccak256,
  parseTransaction,
  recoverTransactionAddress,
} from "viem";

export interface Transaction {
  raw: Hex;
  hash: Hex;
  from: Address;
  to: Address | null;
  nonce: number;
  data: Hex;
  value: bigint;
  /** Of gas it may use. */
  gas: bigint;
  /** Most that it pays for a unit of gas, wei. */
  fee: bigint;
  /** Most of that for whoever makes the block, wei. */
  tip: bigint;
}

/** How an account stands on the chain. */
export interface Account {
  nonce: number;
  /** Wei. */
  coin: bigint;
}

/** A node replaces what it holds only for a tenth more. */
const RAISE_PERCENT = 110n;

/** Reads a signed transaction, and who signed it. */
export async function readTransaction(raw: Hex): Promise<Transaction> {
  const { nonce = 0, data = "0x", to = null, ...rest } = parseTransaction(raw);
  return {
    raw,
    hash: keccak256(raw),
    from: await recoverTransactionAddress({ serializedTransaction: raw as `0x02${string}` }),
    to,
    nonce,
    data,
    value: rest.value ?? 0n,
    gas: rest.gas ?? 0n,
    fee: rest.maxFeePerGas ?? rest.gasPrice ?? 0n,
    tip: rest.maxPriorityFeePerGas ?? rest.gasPrice ?? 0n,
  };
}

/**
 * Why a node would not take a transaction in beside those that it holds; null when it would.
 * @param limits the gas that a block holds, and that this transaction needs before it runs
 */
export function objectionTo(
  transaction: Transaction,
  held: readonly Transaction[],
  { nonce, coin }: Account,
  limits: { blockGas: bigint; intrinsic: bigint },
): string | null {
  const { from, gas, fee, tip } = transaction;
  const own = held.filter((other) => other.from === from);
  const rival = dearest(own.filter((other) => other.nonce === transaction.nonce));
  if (rival?.hash === transaction.hash) return "already known";
  if (transaction.nonce < nonce) return "nonce too low";
  if (tip > fee) return "max priority fee per gas higher than max fee per gas";
  if (gas > limits.blockGas) return "exceeds block gas limit";
  if (gas < limits.intrinsic) return "intrinsic gas too low";
  const others = newest(own).filter((other) => other.nonce !== transaction.nonce);
  const owed = others.reduce((sum, other) => sum + costOf(other), 0n);
  if (owed + costOf(transaction) > coin) return "insufficient funds for gas * price + value";
  const isDearer = rival === null ||
    (fee * 100n >= rival.fee * RAISE_PERCENT && tip * 100n >= rival.tip * RAISE_PERCENT);
  return isDearer ? null : "replacement transaction underpriced";
}

/** What the next block takes first: of each account's next ones the dearest that can pay. */
export function nextOf(
  held: readonly Transaction[],
  accountOf: (address: Address) => Account,
  block: { baseFee: bigint; gasLeft: bigint },
): Transaction | null {
  const ready = newest(held).filter((transaction) => {
    const { nonce, coin } = accountOf(transaction.from);
    return transaction.nonce === nonce && transaction.fee >= block.baseFee &&
      transaction.gas <= block.gasLeft && costOf(transaction) <= coin;
  });
  return ready.reduce<Transaction | null>(
    (best, other) =>
      best === null || tipOf(other, block.baseFee) > tipOf(best, block.baseFee) ? other : best,
    null,
  );
}

/** What it pays beyond the base fee for a unit of gas, wei. */
export function tipOf({ fee, tip }: Transaction, baseFee: bigint): bigint {
  return fee - baseFee < tip ? fee - baseFee : tip;
}

/** Most that it may cost, wei. */
function costOf({ gas, fee, value }: Transaction): bigint {
  return gas * fee + value;
}

/** Without what was replaced, which other nodes may still hold. */
function newest(held: readonly Transaction[]): Transaction[] {
  const best = new Map<string, Transaction>();
  for (const each of held) {
    const key = `${each.from}:${each.nonce}`;
    const known = best.get(key);
    if (known === undefined || each.fee > known.fee) best.set(key, each);
  }
  return [...best.values()];
}

function dearest(held: readonly Transaction[]): Transaction | null {
  return newest(held)[0] ?? null;
}
