/**
 * What the provider offers now. Whoever asks a price, tells it, or gives out terms reads it here
 * each time: in a fleet another node may change it while this one serves.
 */
import type { Hex } from "viem";
import type { Keep } from "../../keep.ts";

/** Texts by their hash, the newest first. */
export type TermsTexts = ReadonlyMap<Hex, Uint8Array<ArrayBuffer>>;

export interface OfferNow {
  /** Of one credit, USDC base units. */
  readonly price: bigint;
  /** How long deployments that were there before a change keep what it ended. */
  readonly keep: Keep;
  readonly terms: TermsTexts;
}

export class CurrentOffer implements OfferNow {
  #now: OfferNow;
  #changes = 0;
  readonly #listeners: (() => void)[] = [];

  constructor(now: OfferNow) {
    this.#now = now;
  }

  get price(): bigint {
    return this.#now.price;
  }

  get keep(): Keep {
    return this.#now.keep;
  }

  get terms(): TermsTexts {
    return this.#now.terms;
  }

  /** How often it was changed. */
  get changes(): number {
    return this.#changes;
  }

  /** This is offered from now on. */
  replace(now: OfferNow): void {
    this.#now = now;
    this.#changes += 1;
    for (const tell of this.#listeners) tell();
  }

  /** Tells of each change from now on. */
  whenChanged(tell: () => void): void {
    this.#listeners.push(tell);
  }
}
