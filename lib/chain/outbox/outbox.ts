/**
 * An account's transactions on their way out. Each is signed here, so that its hash is known before
 * anything is sent, and stored before it is broadcast; broadcasting it again is harmless. From then
 * on it is looked at until it is mined or given up, as `plan` decides.
 */
import type { TransactionReceipt } from "viem";
import type { KhachapuriError } from "../../errors.ts";
import type { OutboxState } from "./alarms.ts";
import { Delivery } from "./delivery.ts";
import { capFees, type Fees, freshFees, launchFees, type Price } from "./fees.ts";
import { addForm, gaveWay, hashOf, newFlight, type OutFlight, storedFlights } from "./flight.ts";
import { estimateGas } from "./gas.ts";
import { inquire, type Look } from "./inquiry.ts";
import { chooseNonce } from "./nonce.ts";
import type { Launched, LaunchStanding, Notice, OutboxOptions } from "./options.ts";
import { Pace } from "./pace.ts";
import {
  type Action,
  type Doubts,
  type GiveUpReason,
  lesser,
  NO_DOUBTS,
  plan,
  type Seen,
} from "./plan.ts";
import { readPrice } from "./price.ts";
import { type Call, isSameCall, type Outgoing, type Rank, type SignedForm } from "./store.ts";
import { Turns } from "./turns.ts";
import { Watch } from "./watch.ts";

/** One account's outbox. */
export class Outbox {
  readonly #options: OutboxOptions;
  /** Resolves when all that its store held has come to its end. */
  readonly inherited: Promise<void>;
  readonly #flights = new Map<number, OutFlight>();
  #doubts: Doubts = NO_DOUBTS;
  #looks = 0;
  /** The nonce after the last one chosen; null after a give-up: that count may have been wrong. */
  #nextNonce: number | null = null;
  /** Launches take turns: nonces are handed out in order, and none is skipped on a failure. */
  readonly #turns = new Turns();
  readonly #launching = new Set<Promise<unknown>>();
  readonly #delivery: Delivery;
  readonly #watch: Watch;
  readonly #pace: Pace;

  private constructor(options: OutboxOptions, stored: readonly SignedForm[]) {
    this.#options = options;
    const { client, endpoint, account: { address }, pause, after } = options;
    this.#watch = new Watch(options.now);
    this.#delivery = new Delivery({ client, endpoint, address });
    this.#pace = new Pace(() => this.#look(), () => this.#dueInMs(), pause, after);
    for (const flight of storedFlights(stored, options.now())) {
      this.#flights.set(flight.nonce, flight);
    }
    const left = [...this.#flights.values()].map(({ settled }) => settled.promise);
    this.inherited = Promise.allSettled(left).then(() => {});
    this.#pace.hurry();
  }

  /** Takes up what the store holds. @throws what `load` throws */
  static async open(options: OutboxOptions): Promise<Outbox> {
    return new Outbox(options, await options.store.load());
  }

  /** Transactions that are neither mined nor given up. */
  get size(): number {
    return this.#flights.size;
  }

  /** Those of them that are of one rank. */
  count(rank: Rank): number {
    return [...this.#flights.values()].filter((flight) => flight.rank === rank).length;
  }

  /** Whether a transaction with this call is out. */
  has(call: Call): boolean {
    return this.endOf(call) !== null;
  }

  /** The calls of all that is out. */
  calls(): Call[] {
    return [...this.#flights.values()].map(({ launched }) => launched);
  }

  /** What becomes of the transaction with this call, as `launch` tells it; null: none is out. */
  endOf(call: Call): Promise<TransactionReceipt> | null {
    const flights = [...this.#flights.values()];
    return flights.find(({ launched }) => isSameCall(launched, call))?.settled.promise ?? null;
  }

  /** A block was made: what is out is looked for in it now. */
  lookNow(): void {
    this.#pace.lookNow();
  }

  /** What is out, and what is known of the chain. */
  state(): OutboxState {
    return {
      ...this.#watch.seen(),
      flights: [...this.#flights.values()],
      balance: this.#delivery.balance,
      feeMax: this.#options.policy.repair?.feeMax ?? null,
    };
  }

  /**
   * Signs, stores and broadcasts a transaction under the next nonce. Resolves when it is out.
   * @param prepare gives the call and its gas; beside the queue of what is signed
   * @throws what `prepare`, the chain, the key or the store throws: nothing was or will be sent;
   *   `GasTooDear`; KhachapuriError `chain_refused` for lack of gas coin and as worded by
   *   `wordGiveUp`, where `launchAttempts` has an end
   */
  async launch(standing: LaunchStanding, prepare: () => Promise<Outgoing>): Promise<Launched> {
    const launching = this.#launch(standing, prepare);
    const over = launching.then(() => {}, () => {});
    this.#launching.add(over);
    return await launching.finally(() => this.#launching.delete(over));
  }

  /** Ends looking; what is out stays in the store. */
  async close(): Promise<void> {
    await Promise.all([this.#pace.close(), ...this.#launching]);
  }

  async #launch(standing: LaunchStanding, prepare: () => Promise<Outgoing>): Promise<Launched> {
    const { client, launchAttempts, policy } = this.#options;
    const [outgoing, price] = await Promise.all([prepare(), readPrice(client)]);
    this.#watch.notePrice(price);
    const worth = standing.costMax === null ? null : standing.costMax / outgoing.gas;
    const fees = launchFees(price, lesser(worth, policy.repair?.feeMax ?? null));
    const flight = await this.#turns.take(standing.rank, async () => {
      const next = newFlight(await this.#freeNonce(), outgoing, standing, fees, this.#now());
      next.sentHead = price.head;
      await this.#takeNonce(next);
      return next;
    });
    // It is out whatever the node says now.
    if (launchAttempts === null) this.#tell(flight, await this.#delivery.deliverNewest(flight));
    flight.sentAt = flight.broadcastAt = this.#now();
    this.#pace.hurry();
    return { transaction: hashOf(flight), mined: flight.settled.promise };
  }

  /** Signed and stored under its nonce, and the node has it where it must. */
  async #takeNonce(flight: OutFlight): Promise<void> {
    const { store, launchAttempts } = this.#options;
    const { nonce } = flight;
    const nextBefore = this.#nextNonce;
    this.#nextNonce = nonce + 1;
    try {
      await this.#sign(flight, flight, flight.fees);
      if (launchAttempts !== null) await this.#offer(flight, launchAttempts);
    } catch (error) {
      // Its nonce is the next one's, unless a give-up has called for another count meanwhile.
      if (this.#nextNonce === nonce + 1) this.#nextNonce = nextBefore;
      if (flight.forms.length > 0) await store.forget(nonce);
      throw error;
    }
    this.#flights.set(nonce, flight);
  }

  async #freeNonce(): Promise<number> {
    const { client, account: { address }, policy } = this.#options;
    for (let pending: number | null = null;;) {
      const out = [...this.#flights.keys()];
      const nonce = chooseNonce({ own: this.#nextNonce, pending, out }, policy);
      if (nonce !== null) return nonce;
      pending = await client.getTransactionCount({ address, blockTag: "pending" });
    }
  }

  /** The first broadcasts, as many as are needed to know that the node has it. */
  async #offer(flight: OutFlight, attempts: number): Promise<void> {
    const { wordGiveUp } = this.#options;
    for (let attempt = 1;; attempt++) {
      const failure = await this.#delivery.deliverNewest(flight);
      if (failure === null) return;
      this.#tell(flight, failure);
      if (failure.code === "chain_refused") throw failure;
      if (attempt < attempts) continue;
      throw wordGiveUp({ reason: "not accepted", transaction: hashOf(flight), failure });
    }
  }

  /** A new form of the flight: it is stored when this resolves, and not yet broadcast. */
  async #sign(
    flight: OutFlight,
    { rank, costMax, outgoing }: Pick<OutFlight, "rank" | "costMax" | "outgoing">,
    fees: Fees,
  ): Promise<void> {
    const { account, chainId, store, now } = this.#options;
    const { nonce } = flight;
    const { maxFeePerGas, maxPriorityFeePerGas } = fees;
    const raw = await account.signTransaction({
      type: "eip1559",
      chainId,
      nonce,
      maxFeePerGas,
      maxPriorityFeePerGas,
      ...outgoing,
    });
    const form = { raw, nonce, rank, costMax, signedAt: now(), ...fees, ...outgoing };
    await store.remember(form);
    addForm(flight, form);
  }

  #tell({ nonce }: OutFlight, failure: KhachapuriError | null): void {
    if (failure) this.#notice({ kind: "not accepted", nonce, failure });
  }

  async #look(): Promise<void> {
    const { client, account: { address }, policy } = this.#options;
    const flights = [...this.#flights.values()];
    const { seen, failure: cause } = await inquire(client, address, flights, this.#nextLook());
    const failure = cause === null ? null : this.#delivery.asFailure(cause);
    if (failure) this.#notice({ kind: "put off", failure });
    const situation = { flights: [...this.#flights.values()], doubts: this.#doubts, seen };
    const { actions, doubts } = plan({ ...situation, now: this.#now() }, policy);
    this.#doubts = doubts;
    for (const flight of flights) flight.sentHead ??= seen.price?.head ?? null;
    if (seen.price) this.#watch.notePrice(seen.price);
    if (this.#watch.isBalanceOld()) await this.#delivery.readBalance().catch(() => {});
    await this.#carryOutAll(actions, seen, failure);
  }

  #nextLook(): Look {
    const { repair } = this.#options.policy;
    if (repair === null) return "receipts";
    return this.#looks++ % repair.closeEvery === 0 ? "close" : "glance";
  }

  async #carryOutAll(
    actions: readonly Action<TransactionReceipt>[],
    { receipts, price }: Seen<TransactionReceipt>,
    failure: KhachapuriError | null,
  ): Promise<void> {
    let hasCoin = true;
    for (const action of actions) {
      const isEffort = action.kind === "broadcast" || action.kind === "raise" ||
        action.kind === "give way";
      // What one cannot be paid for, those behind it cannot either.
      if (isEffort && !hasCoin) continue;
      try {
        const isAnswered = action.kind !== "fill" && receipts.has(action.nonce);
        await this.#carryOut(action, price, isAnswered ? null : failure);
      } catch (error) {
        // A book that cannot be written is no reason to end the process: it is tried again.
        this.#notice({ kind: "put off", failure: this.#delivery.asFailure(error) });
      }
      if (isEffort) hasCoin = !this.#flights.get(action.nonce)!.lacksCoin;
    }
  }

  async #carryOut(
    action: Action<TransactionReceipt>,
    price: Price | null,
    failure: KhachapuriError | null,
  ): Promise<void> {
    if (action.kind === "fill") return await this.#fill(action.from, action.below);
    const flight = this.#flights.get(action.nonce)!;
    switch (action.kind) {
      case "confirm":
        return await this.#confirm(flight, action.receipt);
      case "give up":
        return await this.#giveUp(flight, action.reason, failure);
      case "raise":
        await this.#sign(flight, flight, action.fees);
        this.#watch.noteRaise();
        this.#notice({ kind: "raised", nonce: flight.nonce, fees: action.fees });
        return await this.#sendNew(flight, price);
      case "give way":
        await this.#sign(flight, await this.#filler(), action.fees);
        this.#notice({ kind: "gives way", nonce: flight.nonce });
        return await this.#sendNew(flight, price);
      case "broadcast":
        this.#tell(flight, await this.#delivery.deliver(flight, price));
        flight.broadcastAt = this.#now();
    }
  }

  /** The first broadcast of the newest form. */
  async #sendNew(flight: OutFlight, price: Price | null): Promise<void> {
    this.#tell(flight, await this.#delivery.deliverNewest(flight));
    flight.sentAt = flight.broadcastAt = this.#now();
    flight.sentHead = price?.head ?? null;
  }

  async #confirm(flight: OutFlight, receipt: TransactionReceipt): Promise<void> {
    const { onMined, wordGiveUp } = this.#options;
    await onMined?.(receipt);
    this.#flights.delete(flight.nonce);
    this.#watch.noteMined();
    const { transactionHash: transaction } = receipt;
    if (gaveWay(flight, transaction)) {
      flight.settled.reject(wordGiveUp({ reason: "gave way", transaction, failure: null }));
    } else flight.settled.resolve(receipt);
    await this.#options.store.forget(flight.nonce);
  }

  async #giveUp(
    flight: OutFlight,
    reason: GiveUpReason,
    failure: KhachapuriError | null,
  ): Promise<void> {
    const { nonce } = flight;
    this.#flights.delete(nonce);
    this.#nextNonce = null;
    if (reason === "used elsewhere") this.#watch.noteUsedElsewhere();
    this.#notice({ kind: "given up", nonce, reason });
    const { wordGiveUp, store } = this.#options;
    flight.settled.reject(wordGiveUp({ reason, transaction: hashOf(flight), failure }));
    await store.forget(nonce);
  }

  /** Takes free nonces by transfers of nothing to ourselves. */
  async #fill(from: number, below: number): Promise<void> {
    const { client, policy: { repair }, store } = this.#options;
    this.#notice({ kind: "filling", from, below });
    const [price, filler] = await Promise.all([readPrice(client), this.#filler()]);
    const fees = capFees(freshFees(price), repair?.feeMax ?? null);
    for (let nonce = from; nonce < below; nonce++) {
      const flight = newFlight(nonce, filler.outgoing, filler, fees, this.#now());
      flight.sentHead = price.head;
      // What is found under a nonce that is free was never launched; it gives no way to this.
      await store.forget(nonce);
      await this.#sign(flight, flight, fees);
      this.#flights.set(nonce, flight);
      this.#tell(flight, await this.#delivery.deliverNewest(flight));
    }
  }

  /** Its gas is asked for: some chains take more than Ethereum's 21,000. */
  async #filler() {
    const { client, account: { address } } = this.#options;
    const transfer = { to: address, data: "0x" } as const;
    const gas = await estimateGas(client, address, transfer);
    return { rank: "filler", costMax: null, outgoing: { ...transfer, gas } } as const;
  }

  #now(): number {
    return this.#options.now();
  }

  /** Until the next look is due at the latest; null: nothing is out. */
  #dueInMs(): number | null {
    const { policy: { giveUpAfterMs }, now } = this.#options;
    if (this.size === 0) return null;
    if (giveUpAfterMs === null) return Infinity;
    const earliest = Math.min(...[...this.#flights.values()].map(({ sentAt }) => sentAt));
    return Math.max(0, Math.ceil(earliest + giveUpAfterMs - now()));
  }

  #notice(notice: Notice): void {
    this.#options.notice?.(notice);
  }
}
