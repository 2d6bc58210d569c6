/**
 * Wallets whose code took a payment when it was asked and refused it when the money was to move.
 * What that costs in gas is the operator's, and to be asked costs nobody anything, so such a wallet
 * is not believed again for a day. Keys cannot do this: to move one's money away, or to cancel,
 * takes a transaction of one's own.
 */
import type { Address } from "viem";
import { FICKLE_WALLET_MS, FICKLE_WALLETS_REMEMBERED_MAX } from "../../../limits_of_exact.ts";
import { Lru } from "../../../lru.ts";

export class FickleWallets {
  /** Until when, ms. */
  readonly #shunned = new Lru<Address, number>(FICKLE_WALLETS_REMEMBERED_MAX);

  /** @param now ms */
  constructor(private readonly now: () => number) {}

  /** Its transaction was mined, and moved nothing. */
  note(wallet: Address): void {
    this.#shunned.set(wallet, this.now() + FICKLE_WALLET_MS);
  }

  isShunned(wallet: Address): boolean {
    return (this.#shunned.get(wallet) ?? 0) > this.now();
  }
}
