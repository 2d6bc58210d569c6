/**
 * Payers whose payments were reverted when they were mined. What was looked at before is no surety:
 * a wallet's own contract may take a signature when it is asked and not when it is paid for, and
 * any payer can be faster than its payment. Each time we have paid the gas, and run for nothing.
 */
import type { Address } from "viem";
import {
  EXACT_REVERTED_REMEMBERED_MAX,
  EXACT_REVERTED_WAIT_MAX_MS,
  EXACT_REVERTED_WAIT_MS,
} from "../../../limits_of_exact.ts";
import { Lru } from "../../../lru.ts";
import { revertedBefore } from "../../money/exact/failure.ts";

interface Strike {
  times: number;
  until: number;
}

export class Reverts {
  readonly #strikes = new Lru<Address, Strike>(EXACT_REVERTED_REMEMBERED_MAX);

  /** @param now ms */
  constructor(private readonly now: () => number) {}

  /** One of the payer's was reverted. */
  note(payer: Address): void {
    const times = this.#strikes.get(payer)?.times ?? 0;
    const waitMs = Math.min(EXACT_REVERTED_WAIT_MS * 2 ** times, EXACT_REVERTED_WAIT_MAX_MS);
    this.#strikes.set(payer, { times: times + 1, until: this.now() + waitMs });
  }

  /** @throws KhachapuriError `payment_required` while the payer has to wait */
  admit(payer: Address): void {
    const strike = this.#strikes.get(payer);
    if (!strike || this.now() >= strike.until) return;
    throw revertedBefore(strike.until - this.now());
  }
}
