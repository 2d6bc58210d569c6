/** Which owners run low, as far as their deployments have been called; for the metric. */
import type { Address } from "viem";
import { LOW_CREDITS } from "../../limits.ts";
import type { Bill } from "./bill.ts";
import type { Standing } from "./credits.ts";

export interface OwnerCredits {
  /** What an owner has left after a call. */
  note(bill: Pick<Bill, "payer">, standing: Pick<Standing, "availableCredits">): void;
  /** Owners whose last call left them with fewer than LOW_CREDITS. */
  low(): number;
}

/** Owners kept; beyond it the one that was noted first is forgotten. */
const LOW_MAX = 100_000;

export function createOwnerCredits(): OwnerCredits {
  const low = new Set<Address>();
  return {
    note({ payer }, { availableCredits }) {
      if (availableCredits >= LOW_CREDITS) low.delete(payer);
      else if (low.size < LOW_MAX) low.add(payer);
    },
    low: () => low.size,
  };
}
