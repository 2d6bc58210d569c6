/** The server of one deployment: its instances, from the first request to the end of the last. */
import type { Instance } from "../../../sandbox/instance.ts";
import type { RunLimits } from "../../../sandbox/sandbox.ts";
import type { KhachapuriError } from "../../errors.ts";
import type { Clock } from "../../clock.ts";
import {
  SERVER_SEAT_TIMEOUT_MS,
  SERVER_START_WAIT_TIMEOUT_MS,
  SERVER_WAITING_MAX,
  SERVER_WAITING_PER_SEAT_MAX,
} from "../../limits_of_servers.ts";
import { Alarm, monotonicClock } from "../../alarm.ts";
import { BackOff } from "./back_off.ts";
import { placesTaken, seatsTaken, takesNoMore } from "./faults.ts";
import type { InstanceBudget, Place } from "./instance_budget.ts";
import type { Seat, SeatWait, ServerEvent, ServerView, StartFault, StartRemains } from "./life.ts";
import { type InstanceEnding, LiveInstance } from "./live_instance.ts";
import { SeatQueue } from "./seat_queue.ts";
import type { Turns } from "./start_gate.ts";

/** An instance that ends by itself so soon after it was ready is like one that never was, ms. */
const SOON_MS = 10_000;
/** Instances at a time, for each that there may be: those that end make room for others at once. */
const WITH_ENDING = 2;

export interface ServerOptions {
  /** Starts an instance, which is told its number. */
  open(
    instance: number,
    onOutput: (bytes: Uint8Array) => void | Promise<void>,
  ): Promise<Instance>;
  /** Of one request. */
  limits: RunLimits;
  /** What its deployment asks for: instances at most, and requests at a time of each. */
  wish: { instances: number; concurrency: number };
  /** Shared by all servers of this machine. */
  budget: InstanceBudget;
  /** So is what it asks before it starts one. */
  starts: Turns;
  /** An instance that nobody needs for this long ends. */
  idleMs: number;
  /** Why an instance did not come to listen. */
  explain(remains: StartRemains): StartFault;
  onEvent(event: ServerEvent): void;
  /** It has no instance, nobody waits for one, and there is no failure to remember. */
  onIdle?(): void;
  clock?: Clock;
}

export class Server {
  readonly #options: ServerOptions;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #backOff: BackOff;
  readonly #queue = new SeatQueue();
  /** In the order of their starts. */
  readonly #instances: LiveInstance[] = [];
  readonly #places = new Map<LiveInstance, Place>();
  readonly #askForRoom = () => this.#startMore();
  /** Resolved when the last instance is gone. */
  readonly #emptied = Promise.withResolvers<void>();
  #started = 0;
  #restarts = 0;
  #takesNoMore = false;
  /** Whether an instance has come up since one last failed. */
  #isProven = false;
  /** Whether others start theirs before one of its own may. */
  #awaitsTurn = false;
  /** Whether `onIdle` knows. */
  #isKnownIdle = false;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? monotonicClock;
    this.#alarm = new Alarm(this.#clock, (now) => this.#sweep(now));
    this.#backOff = new BackOff(() => this.#clock.now());
  }

  /**
   * A place for one request: at once where an instance has one, else once one has, or has come to
   * listen.
   * @throws KhachapuriError `program_failed` or `program_limit` when its program does not come up,
   * `overloaded` when there is no place for long, `sandbox_unavailable` when our side fails, or it
   * is being ended
   */
  seat(): Seat | SeatWait {
    if (this.#takesNoMore) return refused(takesNoMore());
    this.#isKnownIdle = false;
    const instance = this.#roomiest();
    return instance ? instance.takeSeat() : this.#wait();
  }

  /** Why waiting is in vain; null: it is not. */
  refusal(): KhachapuriError | null {
    const isUp = this.#instances.some(({ state }) => state !== "draining");
    return isUp ? null : this.#backOff.refusal();
  }

  /** Whether it has no instance, nobody waits for one, and there is no failure to remember. */
  isQuiet(): boolean {
    return this.#instances.length === 0 && this.#queue.length === 0 &&
      this.#backOff.isForgotten();
  }

  /** Takes no more requests; resolves when those that it has are over and all of it is gone. */
  drain(): Promise<void> {
    return this.#end((instance) => instance.drain("drained"));
  }

  /** Ends it with all that it is doing; resolves when all of it is gone. */
  close(): Promise<void> {
    return this.#end((instance) => instance.close());
  }

  view(): ServerView {
    return {
      instances: this.#instances.map((instance) => instance.view()),
      restarts: this.#restarts,
    };
  }

  /** Of those that compute already, before one that stands still; null: none has room. */
  #roomiest(): LiveInstance | null {
    let best: LiveInstance | null = null;
    for (const instance of this.#instances) {
      if (!instance.hasRoom()) continue;
      if (best === null || isBetter(instance, best)) best = instance;
    }
    return best;
  }

  #wait(): SeatWait {
    const refusal = this.refusal();
    if (refusal) return refused(refusal);
    const { instances, concurrency } = this.#options.wish;
    const asMany = SERVER_WAITING_PER_SEAT_MAX * instances * concurrency;
    if (this.#queue.length >= Math.min(asMany, SERVER_WAITING_MAX)) return refused(seatsTaken());
    const now = this.#clock.now();
    const dueAt = now + SERVER_SEAT_TIMEOUT_MS;
    const { seat, leave } = this.#queue.wait(dueAt, now + SERVER_START_WAIT_TIMEOUT_MS);
    this.#alarm.by(dueAt);
    this.#startMore();
    return Object.assign(seat, { giveUp: () => this.#giveUp(leave) });
  }

  #giveUp(leave: () => boolean): boolean {
    const isStarting = this.#count("starting") > 0;
    if (!leave()) return false;
    this.#settle();
    return isStarting;
  }

  /** As many as those that wait need, as far as they may be. */
  #startMore(): void {
    const { instances, concurrency } = this.#options.wish;
    for (;;) {
      const starting = this.#count("starting");
      const lacking = this.#queue.length - starting * concurrency;
      const up = this.#instances.length - this.#count("draining");
      const isFull = up >= instances || this.#instances.length >= WITH_ENDING * instances;
      // Strangers can ask for many that fail, and their owner pays for each.
      const isTried = this.#isProven || starting === 0;
      if (lacking <= 0 || isFull || !isTried || this.#backOff.refusal()) break;
      if (!this.#startOne()) return;
    }
    this.#needsNone();
  }

  #needsNone(): void {
    this.#awaitsTurn = false;
    this.#options.budget.forget(this.#askForRoom);
    this.#options.starts.forget(this.#askForRoom);
  }

  #count(state: LiveInstance["state"]): number {
    return this.#instances.filter((instance) => instance.state === state).length;
  }

  /** @returns false when this machine has no place for it now */
  #startOne(): boolean {
    const { open, limits, explain, wish, idleMs, budget, starts, onEvent } = this.#options;
    const turn = starts.take(this.#askForRoom);
    this.#awaitsTurn = turn === null;
    if (!turn) return false;
    const number = this.#started + 1;
    const instance = new LiveInstance({
      number,
      open: (onOutput) => open(number, onOutput),
      limits,
      explain,
      concurrency: wish.concurrency,
      idleMs,
      clock: this.#clock,
      onDue: (at) => this.#alarm.by(at),
      onOutput: (bytes) => onEvent({ kind: "output", instance: number, bytes }),
      onRoom: () => this.#serve(instance),
      onEnd: (_, ending) => this.#ended(instance, ending),
    });
    const place = budget.take(instance, this.#instances.length === 0, this.#askForRoom);
    if (!place) {
      turn.leave();
      return false;
    }
    this.#started = number;
    this.#instances.push(instance);
    this.#places.set(instance, place);
    // Its turn is another's once it is known what came of it.
    void this.#start(instance).finally(() => turn.leave());
    return true;
  }

  async #start(instance: LiveInstance): Promise<void> {
    const { number } = instance;
    const begunAt = this.#clock.now();
    const outcome = await instance.start();
    const now = this.#clock.now();
    if (outcome.kind === "ready") {
      this.#isProven = true;
      this.#options.onEvent({ kind: "started", instance: number, readyMs: now - begunAt });
      this.#encourage(now);
      this.#serve(instance);
      // What waited for this one to show that it comes up.
      return this.#startMore();
    }
    let told: KhachapuriError | null = null;
    if (outcome.kind === "failed") {
      this.#restarts += 1;
      told = this.#fail(outcome.why);
      this.#options.onEvent({ ...outcome, instance: number, why: told });
    }
    this.#encourage(now);
    this.#forget(instance, told);
  }

  #fail(why: KhachapuriError): KhachapuriError {
    this.#isProven = false;
    return this.#backOff.fail(why);
  }

  /** What they waited for has come, or not: from now on they wait for a place as anybody does. */
  #encourage(now: number): void {
    if (this.#queue.length === 0) return;
    this.#queue.encourage(now + SERVER_SEAT_TIMEOUT_MS);
    this.#alarm.by(now + SERVER_SEAT_TIMEOUT_MS);
  }

  #serve(instance: LiveInstance): void {
    while (this.#queue.length > 0 && instance.hasRoom()) this.#queue.serve(instance.takeSeat());
  }

  #ended(instance: LiveInstance, { why, death, readyMs }: InstanceEnding): void {
    const isOwnFault = why === "crashed" || why === "escaped";
    if (isOwnFault) this.#restarts += 1;
    if (why === "escaped" || (isOwnFault && readyMs < SOON_MS)) this.#fail(death.why);
    const { record } = death;
    this.#options.onEvent({ kind: "ended", instance: instance.number, why, record });
    this.#forget(instance, null);
  }

  /**
   * Nothing is left of it.
   * @param why its start failed, as those are told who waited for it
   */
  #forget(instance: LiveInstance, why: KhachapuriError | null): void {
    this.#instances.splice(this.#instances.indexOf(instance), 1);
    this.#places.get(instance)!.leave();
    this.#places.delete(instance);
    this.#settle(why);
    if (this.#takesNoMore && this.#instances.length === 0) this.#finish();
  }

  /** Those who wait get what can be had now. */
  #settle(why: KhachapuriError | null = null): void {
    const refusal = this.#queue.length === 0 ? null : this.refusal();
    if (refusal) this.#queue.refuse(why ?? refusal);
    this.#startMore();
    this.#noteIdle();
  }

  #noteIdle(): void {
    if (this.#instances.length > 0 || this.#queue.length > 0 || this.#takesNoMore) return;
    if (!this.#backOff.isForgotten()) return this.#alarm.by(this.#backOff.forgottenAt());
    if (this.#isKnownIdle) return;
    this.#isKnownIdle = true;
    this.#options.onIdle?.();
  }

  #sweep(now: number): number {
    const due = this.#instances.map((instance) => instance.sweep(now));
    const isStarting = this.#awaitsTurn || this.#count("starting") > 0;
    const why = () => this.#instances.length === 0 ? placesTaken() : seatsTaken();
    const givesUp = this.#queue.expire(now, isStarting, why);
    this.#settle();
    return Math.min(givesUp, ...due);
  }

  async #end(endEach: (instance: LiveInstance) => void): Promise<void> {
    this.#takesNoMore = true;
    this.#queue.refuse(takesNoMore());
    this.#needsNone();
    for (const instance of [...this.#instances]) endEach(instance);
    if (this.#instances.length === 0) this.#finish();
    await this.#emptied.promise;
  }

  #finish(): void {
    this.#alarm.stop();
    this.#emptied.resolve();
  }
}

function refused(why: KhachapuriError): SeatWait {
  return Object.assign(Promise.reject(why), { giveUp: () => false });
}

function isBetter(one: LiveInstance, other: LiveInstance): boolean {
  const isAwake = one.state === "awake";
  if (isAwake !== (other.state === "awake")) return isAwake;
  return one.inFlight < other.inFlight;
}
