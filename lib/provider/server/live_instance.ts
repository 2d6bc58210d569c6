/** An instance of a server: starts, works, stands still when nobody needs it, and ends. */
import type { Instance } from "../../../sandbox/instance.ts";
import type { RunLimits, RunRecord } from "../../../sandbox/sandbox.ts";
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";
import type { Clock } from "../../clock.ts";
import {
  SERVER_DRAINING_TUNNEL_TIMEOUT_MS,
  SERVER_EVICTION_TIMEOUT_MS,
  SERVER_STOP_TIMEOUT_MS,
  SERVER_TUNNELS_MAX,
} from "../../limits_of_servers.ts";
import { ServerConnection } from "./connection.ts";
import { ConnectionPool } from "./connection_pool.ts";
import type { ServerRequest } from "./exchange.ts";
import { endedAtWork, takesNoMore, tunnelsTaken } from "./faults.ts";
import { InFlight } from "./in_flight.ts";
import type { Occupant } from "./instance_budget.ts";
import { startInstance, type StartOutcome } from "./instance_start.ts";
import { LastOutput } from "./last_output.ts";
import type {
  InstanceEnd,
  InstanceState,
  InstanceView,
  Seat,
  ServerRun,
  StartFault,
  StartRemains,
} from "./life.ts";
import { MemoryGauge } from "./memory_gauge.ts";
import { OutputPace } from "./output_pace.ts";
import { type Death, type RequestHost, SentRequest } from "./sent_request.ts";
import { type SeatHost, TakenSeat } from "./taken_seat.ts";

/** After its last answer an instance may put away what it was doing, ms. */
const FREEZE_GRACE_MS = 100;
/** Its connections end before it is known that an instance is dead, ms. */
const DEATH_KNOWN_MS = 250;

export interface LiveInstanceOptions {
  number: number;
  open(onOutput: (bytes: Uint8Array) => void | Promise<void>): Promise<Instance>;
  limits: RunLimits;
  /** Why it did not come to listen. */
  explain(remains: StartRemains): StartFault;
  concurrency: number;
  idleMs: number;
  clock: Clock;
  /** `sweep` is to be called no later than at `at`. */
  onDue(at: number): void;
  onOutput(bytes: Uint8Array): void;
  /** It has a place again. */
  onRoom(instance: LiveInstance): void;
  /** It had come to listen; nothing is left of it. */
  onEnd(instance: LiveInstance, end: InstanceEnding): void;
}

/** What became of its start. */
export type InstanceStart =
  | { readonly kind: "ready" | "abandoned" }
  | { readonly kind: "failed"; readonly record: RunRecord | null } & StartFault;

export interface InstanceEnding {
  readonly why: InstanceEnd;
  readonly death: Death;
  /** How long it had been ready, ms. */
  readonly readyMs: number;
}

export class LiveInstance implements Occupant, SeatHost, RequestHost {
  readonly number: number;
  readonly limits: RunLimits;
  /** Unix ms. */
  readonly #since = Date.now();
  readonly #inFlight = new InFlight();
  readonly #pool = new ConnectionPool();
  readonly #lastOutput = new LastOutput();
  readonly #pace: OutputPace;
  readonly #abandoned = Promise.withResolvers<void>();
  /** Those whose connection ended, and who want to know whether it is dead. */
  readonly #suspecting = new Set<(death: Death) => void>();
  #state: InstanceState = "starting";
  #instance: Instance | null = null;
  #memory: MemoryGauge | null = null;
  #readyAt = 0;
  /** When its last request was over. */
  #quietSince = 0;
  /** Since when it has neither requests nor places taken. */
  #emptySince = 0;
  /** Why it takes no more. */
  #endsBecause: InstanceEnd | null = null;
  /** Whether it was told to end. */
  #isTerminated = false;
  #killAt = Infinity;
  #tunnelsEndAt = Infinity;
  #death: Death | null = null;

  constructor(private readonly options: LiveInstanceOptions) {
    this.number = options.number;
    this.limits = options.limits;
    this.#pace = new OutputPace(options.clock);
  }

  get state(): InstanceState {
    return this.#state;
  }

  /** Requests at work, and places taken for some. */
  get inFlight(): number {
    return this.#inFlight.seats;
  }

  hasRoom(): boolean {
    const isUp = this.#state === "awake" || this.#state === "frozen";
    return isUp && this.#inFlight.seats < this.options.concurrency;
  }

  view(): InstanceView {
    const { seats, answered, tunnels } = this.#inFlight;
    return {
      instance: this.number,
      state: this.#state,
      since: this.#since,
      memoryBytes: this.#memory?.bytes ?? null,
      requests: answered,
      inFlight: seats,
      tunnels,
    };
  }

  /** Resolves when it listens, or nothing is left of it. Never fails. */
  async start(): Promise<InstanceStart> {
    const { open, explain, clock } = this.options;
    const outcome = await startInstance({
      open: () => open((bytes) => this.#hear(bytes)),
      clock,
      abandoned: this.#abandoned.promise,
    });
    if (outcome.kind === "ready") this.#becomeReady(outcome);
    else this.#pace.stop();
    if (outcome.kind !== "failed") return { kind: outcome.kind };
    const record = outcome.record && this.#withOutput(outcome.record);
    const { ours } = outcome;
    const output = this.#lastOutput.bytes();
    const fault = ours ? { why: ours, toOwner: ours } : explain({ record, output });
    return { kind: "failed", record, ...fault };
  }

  #becomeReady({ instance, connection }: Extract<StartOutcome, { kind: "ready" }>): void {
    const now = this.now();
    this.#instance = instance;
    this.#memory = new MemoryGauge(instance);
    this.#readyAt = this.#quietSince = this.#emptySince = now;
    instance.record.then(
      (record) => this.#die({ why: endedAtWork(record, this.limits), record }),
      (thrown) => this.#die({ why: asKhachapuriError(thrown), record: null }),
    );
    if (this.#endsBecause) {
      connection.close();
      return this.#terminate(SERVER_STOP_TIMEOUT_MS);
    }
    this.#state = "awake";
    this.#pool.put(connection, now);
    this.options.onDue(now + FREEZE_GRACE_MS);
  }

  // Places and requests.

  takeSeat(): Seat {
    this.#inFlight.seats += 1;
    return new TakenSeat(this);
  }

  leaveSeat(): void {
    this.#inFlight.seats -= 1;
    this.#afterLeaving(true);
  }

  begin(request: ServerRequest): ServerRun {
    const refusal = this.#refusal(request);
    const isWoken = this.#state === "frozen";
    if (isWoken) this.#thaw();
    const sent = new SentRequest(this, request);
    this.#inFlight.add(sent);
    this.options.onDue(sent.dueAt);
    sent.begin(refusal, isWoken);
    return sent;
  }

  #refusal({ upgrade }: ServerRequest): KhachapuriError | null {
    if (this.#death) return this.#death.why;
    if (this.#isTerminated) return takesNoMore();
    return upgrade && this.#inFlight.upgrades >= SERVER_TUNNELS_MAX ? tunnelsTaken() : null;
  }

  now(): number {
    return this.options.clock.now();
  }

  usedConnection(): ServerConnection | null {
    return this.#pool.take(this.now());
  }

  newConnection(): Promise<ServerConnection> {
    return ServerConnection.open(this.#instance!.socketPath);
  }

  giveBack(connection: ServerConnection): void {
    if (this.#death || this.#isTerminated || this.#state === "frozen") return connection.close();
    this.options.onDue(this.#pool.put(connection, this.now()));
  }

  death(): Promise<Death | null> {
    if (this.#death) return Promise.resolve(this.#death);
    return new Promise((resolve) => {
      const know = (death: Death | null) => {
        cancel();
        this.#suspecting.delete(know);
        resolve(death);
      };
      const cancel = this.options.clock.after(DEATH_KNOWN_MS, () => know(null));
      this.#suspecting.add(know);
    });
  }

  tunnelled(request: SentRequest): void {
    this.#inFlight.tunnelled(request);
    this.#afterLeaving(true);
  }

  over(request: SentRequest, isAnswered: boolean): void {
    const isSeatFree = this.#inFlight.remove(request, isAnswered);
    if (this.#inFlight.isQuiet) {
      this.#quietSince = this.now();
      this.options.onDue(this.#quietSince + FREEZE_GRACE_MS);
    }
    this.#afterLeaving(isSeatFree);
  }

  #afterLeaving(isSeatFree: boolean): void {
    if (this.#inFlight.isEmpty) {
      this.#emptySince = this.now();
      if (this.#state === "draining") this.#terminate(SERVER_STOP_TIMEOUT_MS);
      else this.options.onDue(this.#emptySince + this.options.idleMs);
    }
    if (isSeatFree && this.hasRoom()) this.options.onRoom(this);
  }

  // What time brings.

  /** Does what is due; returns when there is more, `Infinity`: never. */
  sweep(now: number): number {
    if (!this.#instance || this.#death) return Infinity;
    return Math.min(
      this.#inFlight.expire(now, () => this.drain("timeout")),
      this.#sweepEnd(now),
      this.#sweepEmpty(now),
      this.#sweepWork(now),
      this.#pool.sweep(now),
    );
  }

  #sweepEnd(now: number): number {
    if (now >= this.#tunnelsEndAt) {
      this.#tunnelsEndAt = Infinity;
      this.#inFlight.endTunnels();
    }
    if (now >= this.#killAt) {
      this.#killAt = Infinity;
      this.#instance!.kill();
    }
    return Math.min(this.#tunnelsEndAt, this.#killAt);
  }

  #sweepEmpty(now: number): number {
    if (this.#state === "draining" || !this.#inFlight.isEmpty) return Infinity;
    const endsAt = this.#emptySince + this.options.idleMs;
    if (now < endsAt) return endsAt;
    this.#end("idle", SERVER_STOP_TIMEOUT_MS);
    return this.#killAt;
  }

  #sweepWork(now: number): number {
    if (this.#state === "frozen") return Infinity;
    if (!this.#inFlight.isQuiet) return this.#memory!.whileAwake(now);
    const freezesAt = this.#quietSince + FREEZE_GRACE_MS;
    if (this.#state !== "awake") return Infinity;
    if (now < freezesAt) return freezesAt;
    this.#freeze(now);
    return Infinity;
  }

  /** No connection outlives it: its timers for them all fire when it wakes. */
  #freeze(now: number): void {
    this.#pool.clear();
    this.#memory!.beforeFreeze(now);
    this.#instance!.freeze();
    this.#state = "frozen";
  }

  #thaw(): void {
    this.#instance!.thaw();
    this.#state = "awake";
  }

  // Its end.

  idleSince(): number | null {
    const isUp = this.#state === "awake" || this.#state === "frozen";
    return isUp && this.#inFlight.isEmpty ? this.#emptySince : null;
  }

  evict(): void {
    this.#end("idle", SERVER_EVICTION_TIMEOUT_MS);
  }

  /** It takes no more, and ends when what it has is over. */
  drain(why: InstanceEnd): void {
    if (why === "drained" && this.#tunnelsEndAt === Infinity) {
      this.#tunnelsEndAt = this.now() + SERVER_DRAINING_TUNNEL_TIMEOUT_MS;
      this.options.onDue(this.#tunnelsEndAt);
    }
    if (this.#inFlight.isEmpty || !this.#instance) return this.#end(why, SERVER_STOP_TIMEOUT_MS);
    this.#endsBecause ??= why;
    if (this.#state === "frozen") this.#thaw();
    this.#state = "draining";
  }

  /** It ends now, with what it is doing. */
  close(): void {
    this.#end("drained", SERVER_STOP_TIMEOUT_MS);
  }

  #end(why: InstanceEnd, graceMs: number): void {
    this.#endsBecause ??= why;
    this.#terminate(graceMs);
  }

  #terminate(graceMs: number): void {
    if (this.#isTerminated || this.#death) return;
    if (!this.#instance) {
      this.#state = "draining";
      return this.#abandoned.resolve();
    }
    if (this.#state === "frozen") this.#instance.thaw();
    this.#state = "draining";
    this.#isTerminated = true;
    this.#pool.clear();
    this.#pace.stop();
    this.#instance.terminate();
    this.#killAt = this.now() + graceMs;
    this.options.onDue(this.#killAt);
  }

  async #die(death: Death): Promise<void> {
    const isOwnEnd = this.#isTerminated;
    this.#death = death;
    this.#state = "draining";
    this.#pace.stop();
    this.#pool.clear();
    this.#inFlight.die(death);
    for (const know of [...this.#suspecting]) know(death);
    const readyMs = this.now() - this.#readyAt;
    await this.#instance!.close();
    const { why, record } = death;
    this.options.onEnd(this, {
      why: endOf(record, isOwnEnd ? this.#endsBecause : null),
      death: { why, record: record && this.#withOutput(record) },
      readyMs,
    });
  }

  #hear(bytes: Uint8Array): void | Promise<void> {
    const own = bytes.slice();
    this.#lastOutput.keep(own);
    this.options.onOutput(own);
    return this.#pace.take(own.length);
  }

  /** What it printed stands where the failures of programs are looked for. */
  #withOutput(record: RunRecord): RunRecord {
    return { ...record, stderr: this.#lastOutput.bytes() };
  }
}

/** @param asked why it was told to end; null: it was not */
function endOf(record: RunRecord | null, asked: InstanceEnd | null): InstanceEnd {
  return record?.limit === "escaped" ? "escaped" : asked ?? "crashed";
}
