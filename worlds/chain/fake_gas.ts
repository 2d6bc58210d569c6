/** What transactions cost on the chain in memory, as the real contract was measured. */
import { type Hex, hexToBytes } from "viem";

/** Of a `consume` beside calldata and rows. */
export const CONSUME_GAS = 5_000n;
/** Of a payer's part of a batch: its allowance and what it comes to are read and written once. */
export const TAB_GAS = 12_000n;
/** Of a row beside its calldata. */
export const ROW_GAS = {
  /** The lane's first charge. */
  fresh: 30_000n,
  warm: 13_000n,
  skipped: 5_000n,
  /** Refused last of all, when its signature was recovered. */
  badlySigned: 10_000n,
};
/** Of what people do with their allowances. */
export const PAYER_GAS = 60_000n;

const TRANSACTION_GAS = 21_000n;
const ZERO_BYTE_GAS = 4n;
const BYTE_GAS = 16n;

/** What a transaction costs before its first instruction. */
export function intrinsicGas(data: Hex): bigint {
  let gas = TRANSACTION_GAS;
  for (const byte of hexToBytes(data)) gas += byte === 0 ? ZERO_BYTE_GAS : BYTE_GAS;
  return gas;
}
