/**
 * Has payments by authorisation (x402's `exact`) moved, and finds out how each ended. Only what the
 * chain tells ends one: that the authorisation was used, and the money came, in whose transaction
 * ever; that it was cancelled; or that its time is over. Until then a payment is under way, through
 * any number of ends of this process.
 */
import type { Address, Hex, TransactionReceipt } from "viem";
import type { Chain } from "../../../chain/client.ts";
import { asChainError } from "../../../chain/refusal.ts";
import { takenIn, transferCall } from "../../../chain/transfer_call.ts";
import {
  type ExactReason,
  isPayersDoing,
  type TransferRefusal,
  transferRefusal,
} from "../../../chain/transfer_refusal.ts";
import { asKhachapuriError, KhachapuriError } from "../../../errors.ts";
import {
  EXACT_GAS_MAX,
  EXACT_OUT_MAX,
  EXACT_SEARCHES_REMEMBERED_MAX,
  EXACT_SETTLE_MS,
} from "../../../limits_of_exact.ts";
import type { Log } from "../../../log.ts";
import { Lru } from "../../../lru.ts";
import { within } from "../../../within.ts";
import type { PurchasesOfSettler } from "../../ledger/purchase_book.ts";
import type { Purchase } from "../../ledger/purchase_rows.ts";
import { notSettled, pending, tooMuchUnderWay } from "../../money/exact/failure.ts";
import { weiOf } from "../gas_worth.ts";
import type { Operator } from "../operator.ts";
import type { BlockWatch } from "./block_watch.ts";
import { type Fate, readFate } from "./fate.ts";
import { Reverts } from "./reverts.ts";

export interface ExactSettlementOptions {
  chain: Chain;
  usdc: Address;
  /** Who gets the money. */
  payTo: Address;
  purchases: PurchasesOfSettler;
  operator: Pick<Operator, "launch" | "simulate" | "isOut" | "lookNow">;
  blocks: BlockWatch;
  /** Of one whole coin that gas is paid in, USDC base units. */
  coinPrice: bigint;
  log: Log;
  /** The later of the clock here and the chain's, ms. */
  laterNow: () => number;
  /** Whose payments were reverted; absent: as this process knows. */
  reverts?: Pick<Reverts, "note" | "admit">;
  /** The book rests on what this block told: should it go, `doubtAbove` is to be called. */
  onRest: (block: { number: bigint; hash: Hex }) => void;
}

/** Between two times that what is under way is looked after, ms. */
const LOOK_AFTER_MS = 10_000;
/** One that is under way for longer is somebody's to look at, ms. */
const ALARM_MS = 600_000;

/** Why an authorisation is worth nothing any more, as its payer is told. */
const ENDS: Readonly<Record<"cancelled" | "spent" | "expired", [ExactReason, string]>> = {
  cancelled: ["invalid_exact_evm_nonce_already_used", "the payer cancelled the authorization"],
  spent: ["invalid_exact_evm_nonce_already_used", "the payer used its nonce for another transfer"],
  expired: [
    "invalid_exact_evm_payload_authorization_valid_before",
    "the authorization expired before it was mined",
  ],
};

export class ExactSettlement {
  readonly #options: ExactSettlementOptions;
  /** Under way in this process, by purchase, whoever waits. */
  readonly #driven = new Map<number, Promise<Purchase>>();
  readonly #waiting = new Set<Promise<Purchase>>();
  /** Left under way and looked after just now, by purchase: nothing is sent for it meanwhile. */
  readonly #lookedAfter = new Map<number, Promise<void>>();
  /** What the chain is asked just now, by purchase. */
  readonly #fates = new Map<number, Promise<Fate>>();
  /** Below this block nothing tells of a purchase. */
  readonly #searched = new Lru<number, bigint>(EXACT_SEARCHES_REMEMBERED_MAX);
  readonly #reverts: Pick<Reverts, "note" | "admit">;
  readonly #closing = Promise.withResolvers<"closing">();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #lookingAfter: Promise<void> | null = null;
  /** There is more to look after than what is looked after now. */
  #isCalled = false;
  #isClosed = false;

  constructor(options: ExactSettlementOptions) {
    this.#options = options;
    this.#reverts = options.reverts ?? new Reverts(options.laterNow);
  }

  /** Looks after what an earlier process left under way, from now on. */
  start(): void {
    this.#schedule(0);
  }

  /**
   * @throws KhachapuriError `overloaded` when so much is under way that no more is taken,
   *   `payment_required` for a payer whose last payment was reverted
   */
  assertRoom(payer: Address): void {
    this.#reverts.admit(payer);
    if (this.#driven.size >= EXACT_OUT_MAX) throw tooMuchUnderWay();
  }

  /**
   * Has a payment moved; resolves when the chain has told that the money came.
   * @returns the purchase, "paid"
   * @throws KhachapuriError `payment_required` when it did not come, or is not known to have come
   *   in time; `chain_unavailable` when nothing could be sent
   */
  async settle(purchase: Purchase): Promise<Purchase> {
    const waiting = this.#wait(purchase);
    this.#waiting.add(waiting);
    return await waiting.finally(() => this.#waiting.delete(waiting));
  }

  /**
   * Asks the chain about a payment that the token takes no more though nothing of ours is out: one
   * that was sent once may come by anybody's hand.
   * @returns whether the money has come
   * @throws KhachapuriError `payment_required` when it never will, or when nobody knows
   */
  async hasCome(purchase: Purchase): Promise<boolean> {
    return await this.#endBy(purchase, await this.#fateOf(purchase)) !== null;
  }

  /** A transaction of the operator's was mined: the payments that it moved are paid. */
  async onMined({ logs }: Pick<TransactionReceipt, "logs">): Promise<void> {
    const { usdc, payTo, purchases } = this.#options;
    for (const { from, to, value, nonce, transaction, block } of takenIn(usdc, logs)) {
      const purchase = await purchases.find({ from, nonce });
      const isOurs = purchase && to === payTo && value === purchase.authorization.value;
      if (isOurs) await purchases.paid(purchase.id, transaction, block);
    }
  }

  /** Blocks above `block` have gone, or nobody watched them: what they told is found out again. */
  async doubtAbove(block: bigint): Promise<void> {
    const { purchases } = this.#options;
    for (const { id } of await purchases.restingAbove(block)) await purchases.doubt(id);
    this.#schedule(0);
  }

  /** What a person must look at, in plain words; empty when all is well. */
  alarms(): readonly string[] {
    const { sent, oldestMs } = this.#options.purchases.figures();
    if (oldestMs < ALARM_MS) return [];
    const minutes = Math.floor(oldestMs / 60_000);
    return [`${sent} payments are not settled, the oldest for ${minutes} minutes`];
  }

  /** Whoever waits is told that it is not known; what is out stays out. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#closing.resolve("closing");
    await Promise.allSettled([...this.#waiting, this.#lookingAfter]);
  }

  async #wait(purchase: Purchase): Promise<Purchase> {
    const { blocks, operator, purchases } = this.#options;
    const stop = blocks.onBlock(() => operator.lookNow());
    try {
      const driven = within(this.#driving(purchase), EXACT_SETTLE_MS);
      const outcome = await Promise.race([driven, this.#closing.promise]);
      if (typeof outcome === "object") return outcome;
      const now = await purchases.get(purchase.id);
      if (now.state === "paid") return now;
      throw pending(this.#of(now), now.transaction);
    } finally {
      stop();
    }
  }

  #driving(purchase: Purchase): Promise<Purchase> {
    const { id } = purchase;
    const known = this.#driven.get(id);
    if (known) return known;
    const drive = this.#drive(purchase).finally(() => this.#driven.delete(id));
    drive.catch(() => {}); // Whoever waits for it is told.
    this.#driven.set(id, drive);
    return drive;
  }

  /** To the end of the payment, whoever still waits for it. */
  async #drive({ id }: Purchase): Promise<Purchase> {
    // As it is by now: between the order and the start of its run the chain may have told more.
    await this.#lookedAfter.get(id);
    const purchase = await this.#options.purchases.get(id);
    if (purchase.state === "paid") return purchase;
    return purchase.state === "open" ? await this.#launch(purchase) : await this.#resume(purchase);
  }

  /** One that an earlier attempt may have sent. */
  async #resume(purchase: Purchase): Promise<Purchase> {
    const { operator, purchases } = this.#options;
    const call = this.#callOf(purchase);
    // Told by `onMined`, before the operator lets go of it.
    while (operator.isOut(call)) await this.#nextBlock();
    const now = await purchases.get(purchase.id);
    if (now.state === "paid") return now;
    const ended = await this.#endBy(now, await this.#fateOf(now));
    return ended ?? await this.#launch(now);
  }

  async #launch(purchase: Purchase): Promise<Purchase> {
    const { operator, purchases, coinPrice } = this.#options;
    const { id, authorization: { value } } = purchase;
    await purchases.sending(id);
    const costMax = weiOf(value, coinPrice);
    const sending = { rank: "settlement", costMax, gasMax: EXACT_GAS_MAX } as const;
    const launched = await operator.launch(this.#callOf(purchase), sending).catch((error) =>
      asKhachapuriError(error)
    );
    if (launched instanceof KhachapuriError) return await this.#unlaunched(purchase, launched);
    const mined = launched.mined.catch(() => null);
    await purchases.sent(id, launched.transaction);
    const receipt = await mined;
    const now = await purchases.get(id);
    if (now.state === "paid") return now;
    const fate = await this.#fateOf(now, receipt?.blockNumber);
    const isPayers = fate.kind !== "paid" && fate.kind !== "unknown";
    if (isPayers && receipt?.status === "reverted") {
      await this.#reverts.note(now.authorization.from);
    }
    const ended = await this.#endBy(now, fate);
    if (ended) return ended;
    // The token refused what it would have taken when it was sent.
    return await this.#failed(now, await this.#refusalOf(now, receipt));
  }

  /** Nothing was sent, be it that somebody else was faster. */
  async #unlaunched(purchase: Purchase, error: KhachapuriError): Promise<Purchase> {
    if (error.code !== "chain_refused") {
      await this.#options.purchases.unsent(purchase.id);
      throw error;
    }
    const fate = await this.#fateOf(purchase);
    const refusal = transferRefusal(error);
    // Its program runs already: whoever can have that for nothing would do it again and again.
    const isPayers = fate.kind !== "paid" && fate.kind !== "unknown" && isPayersDoing(refusal);
    if (isPayers) await this.#reverts.note(purchase.authorization.from);
    return await this.#endBy(purchase, fate) ?? await this.#failed(purchase, refusal);
  }

  /** The token does not take it now: its payer is free to sign another, unless that one came. */
  async #failed(purchase: Purchase, { reason, message }: TransferRefusal): Promise<never> {
    // One endpoint says that it is used, and another one that it is not.
    if (reason === "invalid_exact_evm_nonce_already_used") {
      throw pending(this.#of(purchase), purchase.transaction);
    }
    await this.#options.purchases.unsent(purchase.id);
    throw notSettled(this.#of(purchase), reason, message);
  }

  async #refusalOf(
    purchase: Purchase,
    receipt: TransactionReceipt | null,
  ): Promise<TransferRefusal> {
    const isReverted = receipt?.status === "reverted";
    const why = await this.#options.operator.simulate(this.#callOf(purchase)).then(
      () => null,
      (error) => asKhachapuriError(error),
    );
    if (why?.code === "chain_refused") return transferRefusal(why);
    const message = isReverted ? "its transaction was reverted" : "its transaction was not mined";
    return { reason: "invalid_exact_evm_transaction_failed", message };
  }

  /**
   * Writes down what the chain has told of a payment.
   * @returns null while the authorisation can still be taken
   * @throws KhachapuriError when it will never be, or when nobody knows
   */
  async #endBy(purchase: Purchase, fate: Fate): Promise<Purchase | null> {
    const { purchases, log, onRest } = this.#options;
    const { id, authorization: { from, nonce } } = purchase;
    switch (fate.kind) {
      case "paid":
        onRest(fate.block);
        await purchases.paid(id, fate.transaction, fate.block);
        return await purchases.get(id);
      case "unused":
        return null;
      case "unknown":
        throw pending(this.#of(purchase), purchase.transaction);
      case "cancelled":
      case "spent":
      case "expired":
        await purchases.void(id);
        if (await purchases.isAnswering(id)) {
          log.error("a payment that was answered for was lost", { from, nonce, fate: fate.kind });
        }
        throw notSettled(this.#of(purchase), ...ENDS[fate.kind]);
    }
  }

  /**
   * One look at a time for all who ask: a search of many blocks is many questions.
   * @param heard a block that told of it
   */
  #fateOf(purchase: Purchase, heard = 0n): Promise<Fate> {
    const { id } = purchase;
    const known = heard === 0n ? this.#fates.get(id) : undefined;
    if (known) return known;
    const fate = this.#readFate(purchase, heard).finally(() => {
      if (this.#fates.get(id) === fate) this.#fates.delete(id);
    });
    this.#fates.set(id, fate);
    return fate;
  }

  async #readFate(purchase: Purchase, heard: bigint): Promise<Fate> {
    const { chain, usdc, laterNow } = this.#options;
    const search = { from: this.#searched.get(purchase.id) ?? null };
    try {
      const fate = await readFate({ chain, usdc, now: laterNow(), heard, search }, purchase);
      if (search.from !== null) this.#searched.set(purchase.id, search.from);
      return fate;
    } catch (error) {
      const { shortMessage } = asChainError(error, chain.endpoint);
      this.#options.log.debug("a payment's end is not known", { message: shortMessage });
      return { kind: "unknown" };
    }
  }

  async #lookAfter(): Promise<void> {
    const { purchases, operator } = this.#options;
    for (const purchase of await purchases.underWay()) {
      if (this.#isClosed) return;
      const { id } = purchase;
      if (this.#driven.has(id) || operator.isOut(this.#callOf(purchase))) continue;
      const looked = this.#closeLeft(purchase).finally(() => this.#lookedAfter.delete(id));
      this.#lookedAfter.set(id, looked.catch(() => {}));
      await looked;
    }
  }

  /** One that nobody settles, and whose transaction is not out. */
  async #closeLeft(purchase: Purchase): Promise<void> {
    const { purchases, log } = this.#options;
    const { id } = purchase;
    const fate = await this.#fateOf(purchase);
    const ended = await this.#endBy(purchase, fate).catch((error) => asKhachapuriError(error));
    if (ended !== null || await purchases.free(id)) return;
    log.warn("a payment is settled anew: its block has gone", { purchase: id });
    this.settle(await purchases.get(id)).catch(() => {});
  }

  #schedule(ms: number): void {
    if (this.#isClosed) return;
    if (this.#lookingAfter) {
      this.#isCalled ||= ms === 0;
      return;
    }
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#lookingAfter = this.#lookAfter().catch(() => {}).finally(() => {
        this.#lookingAfter = null;
        const pauseMs = this.#isCalled ? 0 : LOOK_AFTER_MS;
        this.#isCalled = false;
        this.#schedule(pauseMs);
      });
    }, ms);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  async #nextBlock(): Promise<void> {
    const block = Promise.withResolvers<void>();
    const stop = this.#options.blocks.onBlock(block.resolve);
    await Promise.race([block.promise, this.#closing.promise]).finally(stop);
    if (this.#isClosed) throw new KhachapuriError("chain_unavailable", "the provider is closing");
  }

  #callOf({ authorization, signature }: Purchase) {
    return transferCall(this.#options.usdc, authorization, signature);
  }

  #of({ authorization: { from: payer } }: Purchase) {
    return { chainId: this.#options.chain.chainId, payer };
  }
}
