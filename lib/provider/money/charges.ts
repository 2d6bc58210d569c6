/**
 * What was charged, in whichever scheme, by the number of its reservation: the credits' own are
 * positive, a purchase's is its number below zero.
 */
import type { Address, Hex } from "viem";
import { exactLane } from "../../exact_payment.ts";
import type { Outcome } from "../../receipt.ts";
import type { ReceiptFacts } from "../ledger/journal.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { PurchasesOfCalls } from "../ledger/purchase_book.ts";
import type { Purchase } from "../ledger/purchase_rows.ts";
import type { Purchases } from "../ledger/purchases.ts";
import type { Store } from "../ledger/store.ts";

/** What a receipt says of a charge. */
export interface ReceiptedRun {
  readonly payer: Address;
  readonly lane: Hex;
  readonly outcome: Outcome;
  readonly facts: ReceiptFacts;
}

/** The charge of a reservation that there is a receipt for; undefined when there is none. */
export type Receipted = (reservation: number) => Promise<ReceiptedRun | undefined>;

export function purchaseReservation(id: number): number {
  return -id;
}

export function receiptedIn(
  ledger: Pick<Ledger, "receipted">,
  purchases: Pick<PurchasesOfCalls, "numbered">,
): Receipted {
  return async (reservation) => {
    if (reservation >= 0) return await ledger.receipted(reservation);
    const purchase = await purchases.numbered(-reservation);
    return purchase === null ? undefined : runOf(purchase);
  };
}

/** Whether a reservation's run was charged, so that its answer was paid for. */
export function wasCharged(
  { ledger, purchases }: {
    ledger: Pick<Store, "receipted">;
    purchases: Pick<Purchases, "numbered">;
  },
  reservation: number,
): boolean {
  if (reservation >= 0) return ledger.receipted(reservation) !== undefined;
  return (purchases.numbered(-reservation)?.outcome ?? null) !== null;
}

function runOf({ authorization, cid, outcome, facts }: Purchase): ReceiptedRun | undefined {
  if (outcome === null || facts === null) return undefined;
  return {
    payer: authorization.from,
    lane: exactLane(authorization),
    outcome,
    facts: { ...facts, cid, price: authorization.value, charged: 1n },
  };
}
