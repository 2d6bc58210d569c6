/**
 * Where the leader of a fleet finds the payments that calls wait for, at whichever nodes, and has
 * them settled. Each is taken up once, however often it is found; what comes of it stands in its
 * row, where its node looks. What is not done when this closes is the next leader's.
 */
import { asKhachapuriError } from "../../../errors.ts";
import type { Log } from "../../../log.ts";
import type { SettlersTerm } from "../../ledger/postgres/leaders_purchases.ts";
import type { PurchaseWishes, Wish } from "../../ledger/postgres/purchase_wishes.ts";
import type { ExactSettlement } from "./exact_settlement.ts";

export interface WishedPaymentsOptions {
  wishes: Pick<PurchaseWishes, "open" | "tell">;
  term: SettlersTerm;
  settlement: Pick<ExactSettlement, "settle" | "hasCome">;
  log: Log;
}

/** Between two looks, ms. */
const LOOK_MS = 100;

export class WishedPayments {
  /** Words of wishes that were taken up, */
  readonly #taken = new Set<string>();
  /** and of those that were told: a look that goes on may have read one before. */
  readonly #told = new Set<string>();
  #looking: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  #isClosed = false;

  constructor(private readonly options: WishedPaymentsOptions) {}

  /** Looks again and again from now on. */
  start(): void {
    this.#timer = setInterval(() => this.pickUp(), LOOK_MS);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  /** Takes up all that is wished for by now; never fails. */
  pickUp(): Promise<void> {
    return this.#next ??= this.#looking.then(() => {
      this.#next = null;
      return this.#looking = this.#look();
    });
  }

  /** Takes up nothing more, and tells nothing more: to be called before the settlement closes. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#next;
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { wishes, term, log } = this.options;
    if (this.#isClosed) return;
    try {
      for (const wish of await wishes.open(term)) {
        if (this.#isClosed) return;
        if (this.#taken.has(wish.word)) continue;
        this.#taken.add(wish.word);
        this.#grant(wish);
      }
    } catch (error) {
      return log.debug("payments that nodes wait for are not known", { error });
    }
    // The next look begins after they were told, and finds none of them.
    for (const word of this.#told) this.#taken.delete(word);
    this.#told.clear();
  }

  async #grant(wish: Wish): Promise<void> {
    const { wishes, term, settlement, log } = this.options;
    const { kind, word, purchase } = wish;
    const done: Promise<unknown> = kind === "settle"
      ? settlement.settle(purchase)
      : settlement.hasCome(purchase);
    const failure = await done.then(() => null, asKhachapuriError);
    if (this.#isClosed) return;
    try {
      await wishes.tell(term, wish, failure);
      this.#told.add(word);
    } catch (error) {
      log.debug("a node was not told what came of a payment", { error });
    }
  }
}
