/** What owners have allowed here: by it a provider does for them what no call pays for. */
import { type Address, zeroHash } from "viem";
import type { PayerView } from "../ledger/judge.ts";
import type { Caller, Payers } from "./payers.ts";

export interface OwnerAllowancesOptions {
  payers: Pick<Payers, "current" | "view" | "viewAgain">;
  /** How old a view may be, ms. */
  viewAgeMs(): number;
}

/** An owner that has nothing is looked up this often at most, ms. */
const NOTHING_AGE_MS = 500;

export class OwnerAllowances {
  constructor(private readonly options: OwnerAllowancesOptions) {}

  /**
   * What an owner could spend here, USDC base units: what it is about to take back is not counted.
   * @param from the caller's address, where an owner that proved to be one asks itself
   * @throws KhachapuriError `chain_unavailable`; `rate_limited` and `overloaded` as for callers
   */
  async of(owner: Address, from?: string): Promise<bigint> {
    const { payers, viewAgeMs } = this.options;
    const caller: Caller = { isProven: true, from };
    const known = payers.current(owner, viewAgeMs());
    // What is asked for is the allowance; no lane has this number.
    const view = known ?? await payers.view(owner, zeroHash, viewAgeMs(), caller);
    const amount = amountOf(view);
    if (amount > 0n) return amount;
    // It may have allowed something just now.
    return amountOf(await payers.viewAgain(owner, zeroHash, NOTHING_AGE_MS, caller));
  }
}

function amountOf({ credits, thawingCredits, pricePerCredit }: PayerView): bigint {
  return credits > thawingCredits ? (credits - thawingCredits) * pricePerCredit : 0n;
}
