/**
 * Where the history of tariffs begins: at the first start of a release that keeps one. What was
 * there before is known by what its owners signed, and by the earlier price that config.json may
 * name.
 */
import type { OldPrice } from "../../config.ts";
import type { Offered, Tariffs } from "./tariff.ts";

/** What a provider offers, and what it asked before, as releases without a history have it. */
export interface FirstOffer extends Offered {
  readonly oldPrice?: OldPrice | undefined;
}

export interface Beginning {
  readonly tariffs: Tariffs;
  /**
   * Which of them a deployment of before came under.
   * @param pays the most that its owner's permit pays; null where callers pay
   */
  cameUnder(pays: bigint | null): number;
}

/** @param now Unix seconds */
export function beginningOf({ price, terms, oldPrice }: FirstOffer, now: bigint): Beginning {
  const offered = { price, terms };
  if (!oldPrice || oldPrice.price >= price) {
    return { tariffs: [{ ...offered, since: now }], cameUnder: () => 0 };
  }
  return {
    tariffs: [{ price: oldPrice.price, terms, since: 0n }, { ...offered, since: now }],
    // Whose permit pays the price came after it rose, for all that anybody can tell.
    cameUnder: (pays) => pays !== null && pays < price && pays >= oldPrice.price ? 0 : 1,
  };
}
