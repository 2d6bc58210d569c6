/** What transactions cost on the chain in memory, as the real contract was measured. */
import { type Hex, hexToBytes } from "viem";

/** Of a `consume` beside its calldata, tabs and rows. */
export const CONSUME_GAS = 2_800n;
/** Of the first charge in it: the provider's earnings are written. */
export const EARNING_GAS = 4_800n;
/** Of a payer's part of a batch. */
export const TAB_GAS = {
  /** Its allowance is read. */
  opened: 6_100n,
  /** What is left of it is written. */
  charged: 4_200n,
  /** What it was charged below the locked price returns to its balance. */
  returned: 5_200n,
};
/** Of a row beside its calldata. */
export const ROW_GAS = {
  /** The lane's first charge. */
  fresh: 32_600n,
  warm: 15_500n,
  skipped: 6_800n,
  /** Refused last of all, when its signature was recovered. */
  badlySigned: 11_800n,
};
/** Of what people do with their allowances. */
export const PAYER_GAS = 32_000n;

const TRANSACTION_GAS = 21_000n;
const ZERO_BYTE_GAS = 4n;
const BYTE_GAS = 16n;

/** What a transaction costs before its first instruction. */
export function intrinsicGas(data: Hex): bigint {
  let gas = TRANSACTION_GAS;
  for (const byte of hexToBytes(data)) gas += byte === 0 ? ZERO_BYTE_GAS : BYTE_GAS;
  return gas;
}
