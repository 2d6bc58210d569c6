/** Which owners run low, as far as their deployments have been called; for the metric. */
import type { Address } from "viem";
import { LOW_CREDITS, OWNERS_LOW_MAX } from "../../limits.ts";

export class OwnerCredits {
  readonly #low = new Set<Address>();

  /** What an owner has left after a call. */
  note(owner: Address, availableCredits: bigint): void {
    if (availableCredits >= LOW_CREDITS) this.#low.delete(owner);
    else if (this.#low.size < OWNERS_LOW_MAX) this.#low.add(owner);
  }

  /** Owners whose last call left them with fewer than LOW_CREDITS. */
  low(): number {
    return this.#low.size;
  }
}
