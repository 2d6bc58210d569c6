/**
 * Has payments settled for the calls of one node of a fleet, whichever node leads: what a call
 * waits for is wished for in the database, and looked for there until it is known what came of it.
 */
import type { Address } from "viem";
import { EXACT_OUT_MAX, EXACT_SETTLE_MS } from "../../../limits_of_exact.ts";
import { pause } from "../../../pause.ts";
import { fromPlainError } from "../../../plain_error.ts";
import { within } from "../../../within.ts";
import type { PostgresPurchases } from "../../ledger/postgres/postgres_purchases.ts";
import type { Purchase } from "../../ledger/purchase_rows.ts";
import type { PurchaseWishes, Wished, WishKind } from "../../ledger/postgres/purchase_wishes.ts";
import type { ExactSettler } from "../../money/exact/exact.ts";
import { pending, tooMuchUnderWay } from "../../money/exact/failure.ts";

export interface FleetSettlerOptions {
  wishes: Pick<PurchaseWishes, "wish" | "read">;
  purchases: Pick<PostgresPurchases, "runOf">;
  chainId: number;
  /** Something is wished for: where this node leads, it need not wait until it looks. */
  onWish?(): void;
}

/** A call that waits. */
interface Waiting {
  /** As it was seen last. */
  purchase: Purchase;
  readonly over: PromiseWithResolvers<Wished>;
}

/** Between two looks while anybody waits, ms. */
const LOOK_MS = 75;

export class FleetSettler implements ExactSettler {
  readonly #waiting = new Set<Waiting>();
  readonly #closing = Promise.withResolvers<"closing">();
  #looking: Promise<void> | null = null;

  constructor(private readonly options: FleetSettlerOptions) {}

  /** Of all nodes together, and of who has to wait, the book says so with the order. */
  assertRoom(_payer: Address): void {
    if (this.#waiting.size >= EXACT_OUT_MAX) throw tooMuchUnderWay();
  }

  async settle(purchase: Purchase): Promise<Purchase> {
    const run = this.options.purchases.runOf(purchase.id);
    if (run === null) throw new Error("a payment is settled for its run");
    const { purchase: now } = await this.#wishFor(purchase, "settle", run);
    if (now.state === "paid") return now;
    throw this.#pending(now);
  }

  async hasCome(purchase: Purchase): Promise<boolean> {
    const word = crypto.randomUUID();
    const { purchase: now, isOver } = await this.#wishFor(purchase, "look", word);
    if (!isOver) throw this.#pending(now);
    return now.state === "paid";
  }

  /** Whoever waits is told that it is not known; what is wished for is done nevertheless. */
  async close(): Promise<void> {
    this.#closing.resolve("closing");
    await this.#looking;
  }

  /** @throws KhachapuriError what the leader failed with */
  async #wishFor(purchase: Purchase, kind: WishKind, word: string) {
    const { wishes, onWish } = this.options;
    await wishes.wish(purchase.id, kind, word).catch(() => {
      // It may be wished for nevertheless.
      throw this.#pending(purchase);
    });
    onWish?.();
    const waiting: Waiting = { purchase, over: Promise.withResolvers() };
    this.#waiting.add(waiting);
    this.#looking ??= this.#look();
    const ended = Promise.race([waiting.over.promise, this.#closing.promise]);
    const wished = await within(ended, EXACT_SETTLE_MS);
    this.#waiting.delete(waiting);
    if (typeof wished === "string") return { purchase: waiting.purchase, isOver: false };
    const { failure, purchase: { state } } = wished;
    if (failure !== null && state !== "paid") throw fromPlainError(failure);
    return wished;
  }

  async #look(): Promise<void> {
    while (this.#waiting.size > 0) {
      const asked = [...this.#waiting];
      const ids = asked.map(({ purchase: { id } }) => id);
      // Where the database is away, it is asked again.
      const wished = await this.options.wishes.read(ids).catch(() => []);
      const found = new Map(wished.map((one) => [one.purchase.id, one]));
      for (const waiting of asked) {
        const one = found.get(waiting.purchase.id);
        if (!one) continue;
        waiting.purchase = one.purchase;
        if (!one.isOver) continue;
        this.#waiting.delete(waiting);
        waiting.over.resolve(one);
      }
      if (this.#waiting.size > 0) await pause(LOOK_MS);
    }
    this.#looking = null;
  }

  #pending({ authorization: { from: payer }, transaction }: Purchase) {
    return pending({ chainId: this.options.chainId, payer }, transaction);
  }
}
