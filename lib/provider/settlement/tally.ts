/** What became of batches since the start, and what the operator's transactions cost. */
import type { TransactionReceipt } from "viem";

export class SettlementTally {
  #mined = 0;
  #failed = 0;
  #lastMinedAt = 0;
  #gasSpent = 0n;

  /** @param now Unix ms */
  constructor(private readonly now: () => number) {}

  /** A batch is out no more: it was mined as meant, or not. */
  landed(isMined: boolean): void {
    if (!isMined) return void (this.#failed += 1);
    this.#mined += 1;
    this.#lastMinedAt = this.now();
  }

  /** A transaction of the operator was mined. */
  paid({ gasUsed, effectiveGasPrice }: Pick<TransactionReceipt, "gasUsed" | "effectiveGasPrice">) {
    this.#gasSpent += gasUsed * effectiveGasPrice;
  }

  figures(): { mined: number; failed: number; lastMinedAt: number; gasSpent: bigint } {
    const [mined, failed, lastMinedAt] = [this.#mined, this.#failed, this.#lastMinedAt];
    return { mined, failed, lastMinedAt, gasSpent: this.#gasSpent };
  }
}
