/**
 * Who has payments moved, where calls find it: here, or with the process that took this one's
 * place. Whoever waits for one here when it moves, waits there.
 */
import type { Address } from "viem";
import type { Purchase } from "../../ledger/purchase_rows.ts";
import type { ExactSettler } from "../../money/exact/exact.ts";

/** What calls ask of it, wherever it is, by a purchase's number. */
export interface CallSettler {
  settle(id: number): Promise<Purchase>;
  hasCome(id: number): Promise<boolean>;
}

export class SettlerSeat implements ExactSettler {
  #next = Promise.withResolvers<CallSettler>();
  #isMoving = false;

  constructor(private readonly own: ExactSettler) {
    this.#next.promise.catch(() => {});
  }

  /** From now on payments are moved by whoever `next` resolves with, also those under way. */
  move(next: Promise<CallSettler>): void {
    this.#isMoving = true;
    this.#next.resolve(next);
  }

  assertRoom(payer: Address): void {
    this.own.assertRoom(payer);
  }

  hasCome(purchase: Purchase): Promise<boolean> {
    return this.#do((own) => own.hasCome(purchase), (next) => next.hasCome(purchase.id));
  }

  settle(purchase: Purchase): Promise<Purchase> {
    return this.#do((own) => own.settle(purchase), (next) => next.settle(purchase.id));
  }

  async #do<T>(
    here: (own: ExactSettler) => Promise<T>,
    there: (next: CallSettler) => Promise<T>,
  ): Promise<T> {
    const moved = this.#next.promise.then(there);
    if (this.#isMoving) return await moved;
    moved.catch(() => {});
    // What it says of a payment once it has moved is that it does not know.
    const own = here(this.own).then(
      (done) => this.#isMoving ? moved : done,
      (error) => {
        if (this.#isMoving) return moved;
        throw error;
      },
    );
    return await Promise.race([own, moved]);
  }
}
