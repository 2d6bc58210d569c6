/** What an outbox has seen of its chain, for who watches over it. */
import type { OutboxState } from "./alarms.ts";
import type { Price } from "./fees.ts";

type Watched = Pick<
  OutboxState,
  "price" | "headAt" | "minedAt" | "usedElsewhereAt" | "raises"
>;

/** Between two looks at the account's coin, ms. */
const BALANCE_AFTER_MS = 10_000;

export class Watch {
  readonly #now: () => number;
  readonly #seen: { -readonly [K in keyof Watched]: Watched[K] };
  #balanceAt = -Infinity;

  constructor(now: () => number) {
    this.#now = now;
    const at = now();
    this.#seen = { price: null, headAt: at, minedAt: at, usedElsewhereAt: null, raises: 0 };
  }

  seen(): Watched {
    return { ...this.#seen };
  }

  notePrice(price: Price): void {
    if (price.head !== this.#seen.price?.head) this.#seen.headAt = this.#now();
    this.#seen.price = price;
  }

  noteMined(): void {
    this.#seen.minedAt = this.#now();
  }

  noteUsedElsewhere(): void {
    this.#seen.usedElsewhereAt = this.#now();
  }

  noteRaise(): void {
    this.#seen.raises += 1;
  }

  /** Whether the account's coin is to be read again, now. */
  isBalanceOld(): boolean {
    if (this.#now() - this.#balanceAt < BALANCE_AFTER_MS) return false;
    this.#balanceAt = this.#now();
    return true;
  }
}
