/**
 * An account's transactions on their way out. Each is signed here, so that its hash is known before
 * anything is sent, and stored before it is broadcast; broadcasting it again is harmless. From then
 * on it is looked at until it is mined or given up, as `plan` decides.
 */
import {
  type Address,
  BaseError,
  type Hex,
  keccak256,
  type LocalAccount,
  type PublicClient,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
} from "viem";
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";
import { asChainError } from "../refusal.ts";
import { newFlight, type OutFlight, storedFlights } from "./flight.ts";
import { type After, Pace, type Pause } from "./pace.ts";
import {
  type Action,
  chooseNonce,
  type Doubts,
  type Fees,
  type GiveUpReason,
  NO_DOUBTS,
  plan,
  type Policy,
  raiseFees,
  type Seen,
} from "./plan.ts";
import type { OutboxStore, Outgoing } from "./store.ts";

/** The questions that an outbox asks a chain. */
export type OutboxClient = Pick<
  PublicClient,
  | "estimateFeesPerGas"
  | "estimateGas"
  | "getTransaction"
  | "getTransactionCount"
  | "getTransactionReceipt"
  | "sendRawTransaction"
>;

export interface OutboxOptions {
  client: OutboxClient;
  /** The RPC's origin, for messages; never the URL, which may hold an API key. */
  endpoint: string;
  chainId: number;
  account: LocalAccount;
  store: OutboxStore;
  policy: Policy;
  pause: Pause;
  /**
   * How often a new transaction is offered to the chain before its sender is told that it was not
   * accepted; null: it is out whatever the chain answers, and later broadcasts follow.
   */
  launchAttempts: number | null;
  now(): number;
  /** The timer; a test passes its own. */
  after?: After;
  /**
   * Called for every mined transaction, also those of an earlier process, before its sender is
   * told; called again at the next look when it fails.
   */
  onMined?: (receipt: TransactionReceipt) => Promise<void>;
  /** The words for the sender of a transaction that is given up. */
  wordGiveUp(giveUp: GiveUp): KhachapuriError;
  notice?: (notice: Notice) => void;
}

export interface GiveUp {
  reason: GiveUpReason | "not accepted";
  /** Hash of its newest form. */
  transaction: Hex;
  /** What went wrong when the chain was last asked about it; null: the chain answered. */
  failure: KhachapuriError | null;
}

/** What an operator's log may want to tell. */
export type Notice =
  | { kind: "not accepted"; nonce: number; failure: KhachapuriError }
  | { kind: "raised"; nonce: number }
  | { kind: "filling"; from: number; below: number }
  | { kind: "given up"; nonce: number; reason: GiveUpReason }
  /** Asking, or doing what the plan wants, failed; the next look tries again. */
  | { kind: "put off"; failure: KhachapuriError };

export interface Launched {
  /**
   * The receipt of whichever form was mined, whether it succeeded or reverted.
   * @throws KhachapuriError as worded by `wordGiveUp`
   */
  mined: Promise<TransactionReceipt>;
}

/** Receipts asked for at a time. */
const RECEIPTS_AT_ONCE = 8;

/** One account's outbox; takes up what its store holds. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #flights = new Map<number, OutFlight>();
  #doubts: Doubts = NO_DOUBTS;
  /** The nonce after the last one chosen; null after a give-up: that count may have been wrong. */
  #nextNonce: number | null = null;
  /** Launches take turns: nonces are handed out in order, and none is skipped on a failure. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #pace: Pace;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#pace = new Pace(() => this.#look(), () => this.#dueInMs(), options.pause, options.after);
    for (const flight of storedFlights(options.store.load(), options.now())) {
      this.#flights.set(flight.nonce, flight);
    }
    this.#pace.hurry();
  }

  /** Transactions that are neither mined nor given up. */
  get size(): number {
    return this.#flights.size;
  }

  /**
   * Signs, stores and broadcasts a transaction under the next nonce. Resolves when it is out.
   * @param prepare gives the call and its gas when its turn has come
   * @throws what `prepare`, the chain, the key or the store throws: nothing was or will be sent;
   *   KhachapuriError `chain_refused` for lack of gas coin and as worded by `wordGiveUp`, where
   *   `launchAttempts` has an end
   */
  launch(prepare: () => Promise<Outgoing>): Promise<Launched> {
    const launched = this.#turn.then(() => this.#launchNext(prepare));
    this.#turn = launched.catch(() => {});
    return launched;
  }

  /** Ends looking; what is out stays in the store. */
  async close(): Promise<void> {
    const ended = this.#pace.close();
    await this.#turn;
    await ended;
  }

  async #launchNext(prepare: () => Promise<Outgoing>): Promise<Launched> {
    const { client, now, store } = this.#options;
    const [outgoing, fees, nonce] = await Promise.all([
      prepare(),
      client.estimateFeesPerGas(),
      this.#freeNonce(),
    ]);
    const nextBefore = this.#nextNonce;
    this.#nextNonce = nonce + 1;
    const flight = newFlight(nonce, outgoing, fees, now());
    try {
      await this.#sign(flight, fees);
      await this.#offer(flight);
    } catch (error) {
      // Its nonce is the next one's, unless a give-up has called for another count meanwhile.
      if (this.#nextNonce === nonce + 1) this.#nextNonce = nextBefore;
      if (flight.forms.length > 0) store.forget(nonce);
      throw error;
    }
    flight.sentAt = now();
    this.#flights.set(nonce, flight);
    this.#pace.hurry();
    return { mined: flight.settled.promise };
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

  /** The first broadcasts, as many as are needed to know that the chain has it. */
  async #offer(flight: OutFlight): Promise<void> {
    const { launchAttempts, wordGiveUp } = this.#options;
    for (let attempt = 1;; attempt++) {
      const failure = await this.#broadcast(flight);
      if (failure === null || launchAttempts === null) return;
      if (failure.code === "chain_refused") throw failure;
      if (attempt < launchAttempts) continue;
      const transaction = flight.forms.at(-1)!.hash;
      throw wordGiveUp({ reason: "not accepted", transaction, failure });
    }
  }

  /** A new form of the flight: it is stored when this resolves, and not yet broadcast. */
  async #sign(flight: OutFlight, fees: Fees): Promise<void> {
    const { account, chainId, store } = this.#options;
    const { nonce, outgoing } = flight;
    const { maxFeePerGas, maxPriorityFeePerGas } = fees;
    const raw = await account.signTransaction({
      type: "eip1559",
      chainId,
      nonce,
      maxFeePerGas,
      maxPriorityFeePerGas,
      ...outgoing,
    });
    await store.remember({ raw, nonce, maxFeePerGas, maxPriorityFeePerGas, ...outgoing });
    flight.forms.push({ raw, hash: keccak256(raw) });
    flight.fees = fees;
  }

  /** @returns null when the chain has the newest form now, else what it said */
  async #broadcast(flight: OutFlight): Promise<KhachapuriError | null> {
    const { raw, hash } = flight.forms.at(-1)!;
    try {
      await this.#options.client.sendRawTransaction({ serializedTransaction: raw });
      return null;
    } catch (error) {
      if (await this.#isKnown(hash, error)) return null;
      const failure = this.#asFailure(error);
      this.#notice({ kind: "not accepted", nonce: flight.nonce, failure });
      return failure;
    } finally {
      flight.broadcastAt = this.#options.now();
    }
  }

  /** "already known", or "nonce too low" because an earlier broadcast did arrive. */
  async #isKnown(hash: Hex, error: unknown): Promise<boolean> {
    const said = `${(error as BaseError).details ?? ""} ${(error as Error).message}`;
    if (/already (known|imported|exists)/i.test(said)) return true;
    if (!/nonce/i.test(said)) return false;
    return await this.#options.client.getTransaction({ hash }).then(() => true, () => false);
  }

  async #look(): Promise<void> {
    const { policy, now } = this.#options;
    const { seen, failure } = await this.#ask();
    if (failure) this.#notice({ kind: "put off", failure });
    const flights = [...this.#flights.values()];
    const { actions, doubts } = plan({ flights, doubts: this.#doubts, seen, now: now() }, policy);
    this.#doubts = doubts;
    for (const action of actions) {
      try {
        const isAnswered = action.kind !== "fill" && seen.receipts.has(action.nonce);
        await this.#carryOut(action, isAnswered ? null : failure);
      } catch (error) {
        // A book that cannot be written is no reason to end the process: it is tried again.
        this.#notice({ kind: "put off", failure: this.#asFailure(error) });
      }
    }
  }

  /** Asks as far as the chain answers: when it falls silent, the rest is left to the next look. */
  async #ask(): Promise<{ seen: Seen<TransactionReceipt>; failure: KhachapuriError | null }> {
    const { client, account: { address }, policy } = this.#options;
    const receipts = new Map<number, TransactionReceipt | null>();
    let count: number | null = null;
    const flights = [...this.#flights.values()];
    try {
      if (policy.repair) {
        count = await client.getTransactionCount({ address, blockTag: "latest" });
      }
      for (let at = 0; at < flights.length; at += RECEIPTS_AT_ONCE) {
        const part = flights.slice(at, at + RECEIPTS_AT_ONCE);
        const asked = await Promise.allSettled(part.map(async (flight) => {
          receipts.set(flight.nonce, await this.#receiptOf(flight));
        }));
        const failed = asked.find((answer) => answer.status === "rejected");
        if (failed) throw failed.reason;
      }
      return { seen: { count, receipts }, failure: null };
    } catch (error) {
      return { seen: { count, receipts }, failure: this.#asFailure(error) };
    }
  }

  async #receiptOf(flight: OutFlight): Promise<TransactionReceipt | null> {
    for (const { hash } of flight.forms.toReversed()) {
      try {
        return await this.#options.client.getTransactionReceipt({ hash });
      } catch (error) {
        if (!(error instanceof TransactionReceiptNotFoundError)) throw error;
      }
    }
    return null;
  }

  async #carryOut(
    action: Action<TransactionReceipt>,
    failure: KhachapuriError | null,
  ): Promise<void> {
    if (action.kind === "fill") return await this.#fill(action.from, action.below);
    const flight = this.#flights.get(action.nonce)!;
    switch (action.kind) {
      case "confirm":
        return await this.#confirm(flight, action.receipt);
      case "give up":
        return this.#giveUp(flight, action.reason, failure);
      case "raise":
        await this.#sign(flight, raiseFees(flight.fees));
        this.#notice({ kind: "raised", nonce: flight.nonce });
        await this.#broadcast(flight);
        flight.sentAt = this.#options.now();
        return;
      case "broadcast":
        await this.#broadcast(flight);
    }
  }

  async #confirm(flight: OutFlight, receipt: TransactionReceipt): Promise<void> {
    await this.#options.onMined?.(receipt);
    this.#flights.delete(flight.nonce);
    flight.settled.resolve(receipt);
    this.#options.store.forget(flight.nonce);
  }

  #giveUp(flight: OutFlight, reason: GiveUpReason, failure: KhachapuriError | null): void {
    const { nonce } = flight;
    this.#flights.delete(nonce);
    this.#nextNonce = null;
    this.#notice({ kind: "given up", nonce, reason });
    const transaction = flight.forms.at(-1)!.hash;
    flight.settled.reject(this.#options.wordGiveUp({ reason, transaction, failure }));
    this.#options.store.forget(nonce);
  }

  /** Takes free nonces by transfers of nothing to ourselves. */
  async #fill(from: number, below: number): Promise<void> {
    const { client, account: { address }, now } = this.#options;
    this.#notice({ kind: "filling", from, below });
    const [gas, fees] = await Promise.all([
      estimateGas(client, address, { to: address, data: "0x" }),
      client.estimateFeesPerGas(),
    ]);
    for (let nonce = from; nonce < below; nonce++) {
      const filler = newFlight(nonce, { to: address, data: "0x", gas }, fees, now());
      await this.#sign(filler, fees);
      this.#flights.set(nonce, filler);
      await this.#broadcast(filler);
    }
  }

  /** Until the next look is due at the latest; null: nothing is out. */
  #dueInMs(): number | null {
    const { policy: { giveUpAfterMs }, now } = this.#options;
    if (this.size === 0) return null;
    if (giveUpAfterMs === null) return Infinity;
    const earliest = Math.min(...[...this.#flights.values()].map(({ sentAt }) => sentAt));
    return Math.max(0, Math.ceil(earliest + giveUpAfterMs - now()));
  }

  #asFailure(error: unknown): KhachapuriError {
    const { endpoint, account: { address } } = this.#options;
    if (!(error instanceof BaseError)) return asKhachapuriError(error);
    return asChainError(error, endpoint, {}, address);
  }

  #notice(notice: Notice): void {
    this.#options.notice?.(notice);
  }
}

/**
 * Gas for a call, with a quarter more for state that changes before its block. Estimating runs the
 * call, so it is the simulation too. Fees are left out: a missing gas coin shows when it is sent.
 */
export async function estimateGas(
  client: Pick<PublicClient, "estimateGas">,
  from: Address,
  { to, data }: Omit<Outgoing, "gas">,
): Promise<bigint> {
  const gas = await client.estimateGas({ account: from, to, data, prepare: false });
  return gas + gas / 4n;
}
