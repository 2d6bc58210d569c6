/**
 * The book of single payments where calls find it: here, or with the process that took this one's
 * place. It is looked into here all the time, as its file can be read by both.
 */
import { Seat } from "../../seat.ts";
import type { CallPurchases, Funds, Ordered, PurchasesOfCalls } from "./purchase_book.ts";
import type { Order, PaymentId, Purchase } from "./purchase_rows.ts";
import type { Purchases } from "./purchases.ts";
import type { Outcome } from "../../receipt.ts";
import type { RunFacts } from "./ledger.ts";

export class PurchasesSeat implements PurchasesOfCalls {
  readonly #seat: Seat<CallPurchases, Purchases>;

  constructor(private readonly own: Purchases) {
    this.#seat = new Seat<CallPurchases, Purchases>(own);
  }

  /** From now on what calls change is changed by whoever `next` resolves with. */
  move(next: Promise<CallPurchases>): void {
    this.#seat.move(next);
  }

  now(): number {
    return this.own.now();
  }

  moment(): number {
    return this.own.moment();
  }

  find(payment: PaymentId): Purchase | null {
    return this.own.find(payment);
  }

  numbered(id: number): Purchase | null {
    return this.own.numbered(id);
  }

  order(order: Order, funds: Funds | null, mayBegin = true): Promise<Ordered> {
    return this.#seat.use((purchases) => purchases.order(order, funds, mayBegin));
  }

  answered(id: number, outcome: Outcome, facts: RunFacts | null): Promise<void> {
    return this.#seat.use((purchases) => purchases.answered(id, outcome, facts));
  }

  letGo(id: number): void {
    if (!this.#seat.isMoving) return this.own.letGo(id);
    // Where nobody hears of it, its run is taken to have ended with this process.
    this.#seat.use(async (purchases) => void await purchases.letGo(id)).catch(() => {});
  }
}
