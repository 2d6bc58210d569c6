/** One purchase in hand, from before its program starts to the end of its accounts. */
import { KhachapuriError } from "../../../errors.ts";
import { exactResponse } from "../../../exact_payment.ts";
import { PAYMENT_RESPONSE_HEADER, toHeader } from "../../../payment_required.ts";
import { type Outcome, RECEIPT_HEADER } from "../../../receipt.ts";
import { PAYMENT_RESPONSE_HEADER_V1 } from "../../../x402_v1.ts";
import type { HeaderField } from "../../http/header_rules.ts";
import type { RunFacts } from "../../ledger/ledger.ts";
import type { PurchasesOfCalls } from "../../ledger/purchase_book.ts";
import type { Purchase } from "../../ledger/purchase_rows.ts";
import { purchaseReservation } from "../charges.ts";
import type { Receipts } from "../receipts.ts";
import type { Hold } from "../scheme.ts";

export interface ExactHoldParts {
  chainId: number;
  purchases: PurchasesOfCalls;
  settler: { settle(purchase: Purchase): Promise<Purchase> };
  receipts: Pick<Receipts, "pathOf">;
  /** Whose headers tell how it was settled. */
  x402Version: 1 | 2;
}

export class ExactHold implements Hold {
  readonly reservation: number;
  readonly credits = 1;
  readonly isPaid: boolean;
  readonly owed = "the payment came: send the same request with it again, at no further cost";
  #settling: Promise<Purchase> | null = null;

  constructor(
    private readonly parts: ExactHoldParts,
    private readonly purchase: Purchase,
  ) {
    this.reservation = purchaseReservation(purchase.id);
    this.isPaid = purchase.state === "paid";
  }

  started(): void {
    this.#settling = this.parts.settler.settle(this.purchase);
    this.#settling.catch(() => {}); // `notice` tells of it.
  }

  extend(): Promise<void> {
    return Promise.reject(
      new KhachapuriError("payment_required", "one payment buys the time of one credit", {
        hints: ["a run that takes longer is paid for by credits"],
      }),
    );
  }

  begin(): Promise<void> {
    return Promise.resolve();
  }

  giveBack(): void {}

  async charge(outcome: Outcome, run: RunFacts | null): Promise<void> {
    const { purchases } = this.parts;
    const { id } = this.purchase;
    try {
      // The answer's head has waited for it too, but where its caller did not wait for a head.
      await this.#settled();
      await purchases.answered(id, outcome, run);
    } finally {
      purchases.letGo(id);
    }
  }

  release(): void {
    const letGo = () => this.parts.purchases.letGo(this.purchase.id);
    if (this.#settling === null) letGo();
    // What is on its way may come: until it is known, the payer's money is spoken for.
    else this.#settling.then(letGo, letGo);
  }

  async notice(): Promise<HeaderField[]> {
    const { chainId, receipts, x402Version } = this.parts;
    const { authorization: { from: payer, value: amount }, transaction } = await this.#settled();
    const settled = { chainId, payer, amount, transaction: transaction! };
    const response = exactResponse(settled, x402Version);
    const name = x402Version === 1 ? PAYMENT_RESPONSE_HEADER_V1 : PAYMENT_RESPONSE_HEADER;
    const told: HeaderField[] = [
      [name, toHeader(response)],
      [RECEIPT_HEADER, receipts.pathOf(this.reservation)],
    ];
    const names = told.map(([name]) => name).join(", ");
    return [...told, ["access-control-expose-headers", names]];
  }

  #settled(): Promise<Purchase> {
    if (this.#settling === null) this.started();
    return this.#settling!;
  }
}
