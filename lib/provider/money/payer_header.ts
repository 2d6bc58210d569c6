/** The seed's "payer header": an address, which alone proves nothing. */
import type { Address } from "viem";
import { KhachapuriError } from "../../errors.ts";

export const PAYER_HEADER = "payer";

/** @throws KhachapuriError `payment_required` when the header names somebody else */
export function assertSamePayer(named: string | null, payer: Address): void {
  if (named === null || named.toLowerCase() === payer.toLowerCase()) return;
  const message = "the payer header and the permit name two payers";
  throw new KhachapuriError("payment_required", message);
}
