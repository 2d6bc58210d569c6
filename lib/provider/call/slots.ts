/**
 * How many runs at once, whose is next, and how many credits a minute strangers may cost an owner.
 * A call that finds no slot waits for a moment (`fair_queue.ts`). A refusal is free, as is a wait,
 * and says when to come back.
 */
import type { Address } from "viem";
import { monotonicClock } from "../../alarm.ts";
import type { Clock } from "../../clock.ts";
import type { KhachapuriError } from "../../errors.ts";
import { OWNER_RATES_REMEMBERED_MAX } from "../../limits.ts";
import {
  CALLS_WAITING_MAX,
  PAYER_CALLS_WAITING_MAX,
  SLOT_RETRY_MS_MAX,
  SLOT_WAIT_MS,
} from "../../limits_of_slots.ts";
import { Lru } from "../../lru.ts";
import { TokenBucket } from "../../token_bucket.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { tooFast } from "../ledger/owners_rate.ts";
import type { SlotUsage } from "../metrics/slot_usage.ts";
import type { Bill } from "../money/scheme.ts";
import { FairQueue } from "./fair_queue.ts";
import { hasToLeave } from "./fair_share.ts";
import type { CallOf, Gate, Refusal, Turn } from "./parties.ts";
import { noSlot, shuttingDown, wantedByOthers } from "./slot_refusals.ts";
import { type OwnersRate, type Slot, type SlotDesk, TakenSlot } from "./taken_slot.ts";
import { type Waiting, WaitingRoom } from "./waiting_room.ts";

export interface SlotsOptions {
  /** Of the owners' rates. */
  readonly now?: () => number;
  /** Why none may begin for the moment, e.g. as the disk is full. */
  readonly refusal?: () => KhachapuriError | null;
  /** Whether an owner has a deployment here that was paid for. */
  readonly isPaying?: (owner: Address) => boolean;
  readonly usage?: SlotUsage | undefined;
  /** Of the queue. */
  readonly clock?: Clock;
  readonly waitMs?: number;
}

/** All owners that nobody paid a call for yet are as one: keys cost nothing. */
const STRANGERS = "strangers";

export class Slots {
  readonly #queue: FairQueue;
  readonly #clock: Clock;
  readonly #room: WaitingRoom;
  #isClosing = false;
  /** Of specs that are held somewhere. */
  readonly #keys = new WeakMap<Deployment["spec"], string>();
  /** An owner's credits a minute, by deployment; one that was forgotten starts with a full one. */
  readonly #rates = new Lru<string, OwnersRate>(OWNER_RATES_REMEMBERED_MAX);

  /** @param slots runs of the provider at the same time */
  constructor(private readonly slots: number, private readonly options: SlotsOptions = {}) {
    const { clock = monotonicClock, waitMs = SLOT_WAIT_MS } = options;
    this.#clock = clock;
    this.#queue = new FairQueue({
      slots,
      waitingMax: CALLS_WAITING_MAX,
      payerWaitingMax: PAYER_CALLS_WAITING_MAX,
      waitMs,
      retryMsMax: SLOT_RETRY_MS_MAX,
    });
    this.#room = new WaitingRoom(this.#queue, clock, options.usage);
  }

  /** Runs going on now. */
  busy(): number {
    return this.#queue.busy;
  }

  /** How many there are. */
  count(): number {
    return this.slots;
  }

  /** Calls that wait for a slot. */
  queued(): number {
    return this.#queue.waiting;
  }

  /** Calls that wait before they run, for something else than a slot. */
  waiting(): number {
    return this.#queue.aside;
  }

  /** Calls that have a slot, want one, or will want one again. */
  calls(): number {
    return this.busy() + this.queued() + this.waiting();
  }

  /**
   * The provider shuts down: runs go on for the credits that they have, and get no more. Who waits
   * is refused. A call that comes back later may still wait for its slot: it holds a credit, and
   * somebody pays for the instance that was started for it.
   */
  close(): void {
    this.#isClosing = true;
    this.#room.clear();
  }

  /**
   * For a call before anything is done for it, also to find out whether who pays does.
   * @throws KhachapuriError as `take`, where there is no room to wait
   */
  assertRoom(deployment: Deployment, bill: Pick<Bill, "source" | "payer">): void {
    const about = this.#about(deployment, bill);
    const refusal = this.#queue.refusalOf(about, this.#clock.now());
    if (refusal) throw this.#refused(refusal, about.concurrency);
  }

  /**
   * A slot, at once where one is free.
   * @throws KhachapuriError `rate_limited` (429), `overloaded` (503), both with Retry-After
   */
  take(deployment: Deployment, bill: Pick<Bill, "source" | "payer">): Slot | Waiting<Slot> {
    const unwell = this.options.refusal?.() ?? null;
    if (unwell) throw unwell;
    const isOwners = bill.source === "owner";
    const rate = isOwners ? this.#rateOf(deployment) : null;
    rate?.take();
    const about = this.#about(deployment, bill);
    const turn = this.#queue.ask(about, this.#clock.now());
    if ("reason" in turn) {
      rate?.bucket.giveBack();
      throw this.#refused(turn, about.concurrency);
    }
    const slot = new TakenSlot(turn, rate, this.#desk);
    if (turn.state === "running") return slot;
    const wait = this.#wait(turn, slot, () => slot.undo());
    if (this.#isClosing) this.#room.clear();
    return wait;
  }

  /**
   * Counts a credit that no call's run costs the owner; returns what takes that back.
   * @throws KhachapuriError `rate_limited` beyond the owner's rate
   */
  debit(deployment: Deployment): () => void {
    const rate = this.#rateOf(deployment);
    rate.take();
    return () => rate.bucket.giveBack();
  }

  readonly #desk: SlotDesk = {
    assertOpen: () => {
      if (this.#isClosing) throw shuttingDown();
    },
    assertShare: (gate, creditMs) => {
      if (this.#isWanted(gate, creditMs)) throw wantedByOthers();
    },
    leave: (turn) => this.#queue.leave(turn, this.#clock.now()),
    stepAside: (turn) => this.#queue.stepAside(turn, this.#clock.now()),
    comeBack: (turn) => {
      this.#queue.comeBack(turn, this.#clock.now());
      if (turn.state === "running") return null;
      // Its call gives everything back, and with it the slot.
      return this.#wait(turn, undefined, () => this.#desk.leave(turn));
    },
  };

  #wait<Of>(turn: Turn, got: Of, undo: () => void): Waiting<Of> {
    const told = (refusal: Refusal) => this.#refused(refusal, turn.gate.concurrency);
    return this.#room.wait(turn, { got, told, undo });
  }

  #refused(refusal: Refusal, concurrency: number): KhachapuriError {
    if (this.#isClosing) return shuttingDown();
    this.options.usage?.refused(refusal.isOwnLimit ? "limit" : refusal.reason);
    return noSlot(refusal, concurrency);
  }

  #about(
    { spec: { owner, limits: { concurrency } }, spec }: Deployment,
    { source, payer }: Pick<Bill, "source" | "payer">,
  ): CallOf {
    const isPaying = this.options.isPaying?.(owner) ?? true;
    return {
      owner: isPaying ? owner : STRANGERS,
      payer: source === "owner" ? null : payer,
      deployment: this.#keyOf(spec),
      concurrency,
    };
  }

  /** Making it anew for each call would cost more than all else that is done here. */
  #keyOf(spec: Deployment["spec"]): string {
    const known = this.#keys.get(spec);
    if (known !== undefined) return known;
    const key = `${spec.owner}:${spec.id}`;
    this.#keys.set(spec, key);
    return key;
  }

  /** Whether a deployment is to leave a slot to others, who want one or were refused one. */
  #isWanted({ deployment }: Gate, creditMs: number): boolean {
    const since = this.#clock.now() - creditMs;
    const running = new Map<string, number>();
    const refused: string[] = [];
    for (const gate of this.#queue.gates()) {
      if (gate.running > 0) running.set(gate.deployment, gate.running - gate.leaving);
      const lacksSlot = gate.lacksSlot(since) && !this.#queue.hasRoomFor(gate);
      if (lacksSlot) refused.push(gate.deployment);
    }
    return hasToLeave(deployment, { concurrency: this.#queue.busy, running, refused });
  }

  #rateOf({ spec }: Deployment): OwnersRate {
    const { now = Date.now } = this.options;
    const { ownerCreditsPerMinute: perMinute } = spec.limits;
    const key = this.#keyOf(spec);
    const known = this.#rates.get(key);
    if (known) return known;
    const bucket = new TokenBucket(perMinute, perMinute / 60, now);
    const take = () => {
      if (bucket.take()) return;
      this.options.usage?.refused("rate");
      throw tooFast(perMinute, bucket.waitSeconds());
    };
    const rate: OwnersRate = { bucket, take };
    this.#rates.set(key, rate);
    return rate;
  }
}
