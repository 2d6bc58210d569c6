/**
 * One connection: of HTTP/1 at most one request is served at a time, in the order in which they
 * came (RFC 9112 section 9.3.2). It knows since when it does what it does.
 */
import type { Socket } from "node:net";
import { HTTP2_RESETS_MAX, PIPELINED_REQUESTS_MAX } from "../../limits.ts";
import type { CallerEnd } from "./caller_end.ts";
import type { Line } from "./exchange.ts";
import type { Served } from "./incoming.ts";
import type { Reading } from "./reading.ts";

/** Who reads what comes, as its connection sees it. */
type Reader = Pick<Reading, "end" | "handed" | "noteRequest" | "handTo">;

/** A request that was read and is not served yet. */
export interface Waiting {
  begin(): void;
  /** Whether all of it has come. */
  isWhole(): boolean;
  /** Of its body, as its head says; none where it does not say. */
  readonly bodyBytes?: number;
}

/**
 * What a connection does: waits for a request, has some served, gives out an answer's end, or
 * carries what is no HTTP.
 */
export type State = "new" | "idle" | "serving" | "ending" | "tunnel";

export class Connection implements Line {
  readonly stopBody = null;
  bytesBefore = 0;
  #socket: Socket;
  #state: State = "new";
  #since: number;
  #served: Served | null = null;
  #reading: Reader | null = null;
  /** What comes on it is no HTTP any more, once it was agreed to. */
  #caller: CallerEnd | null = null;
  #waiting: Waiting[] = [];
  /** Whether the first that waits begins once what was read with it has been looked at. */
  #isDue = false;
  #hasLeft = false;
  #isLast = false;
  /** The next request is the last. */
  #isRetiring = false;
  #onRetire: (() => void) | null = null;
  #isPaused = false;
  /** Streams of HTTP/2 that are served. */
  #streams = 0;
  #parted = 0;
  #resets = 0;

  /**
   * @param raw as the system accepted it
   * @param network what shares its bounds; null: it has its own
   * @param now on the clock by which connections are swept, ms
   */
  constructor(
    private readonly raw: Socket,
    readonly network: string | null,
    private readonly now: () => number,
  ) {
    this.#socket = raw;
    this.#since = now();
  }

  get state(): State {
    return this.#state;
  }

  /** How long it has been in its state, ms. */
  age(): number {
    return this.now() - this.#since;
  }

  enter(state: State): void {
    this.#state = state;
    this.#since = this.now();
  }

  /** What is read and written is `socket`'s from now on, which stands on the raw one. */
  secure(socket: Socket): void {
    this.#socket = socket;
  }

  /** What TLS stands on; null without TLS. */
  get below(): Socket | null {
    return this.#socket === this.raw ? null : this.raw;
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** What comes on it is handed over by `reading` from now on. */
  readIn(reading: Reader): void {
    this.#reading = reading;
  }

  /** What comes behind a handshake is its caller's end of a tunnel. */
  handTo(caller: CallerEnd): void {
    this.#caller = caller;
    this.#reading?.handTo((bytes) => caller.take(bytes));
  }

  /**
   * Begins with a request once those before it are answered, and once what came with its head has
   * been looked at: what turns out to be no request then was never begun with.
   */
  queue(waiting: Waiting): void {
    if (this.#isLast) return;
    this.#reading?.noteRequest(waiting.bodyBytes);
    this.#waiting.push(waiting);
    if (this.#state === "new" || this.#state === "idle") this.#beginSoon();
    if (this.#waiting.length < PIPELINED_REQUESTS_MAX || this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  #beginSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      this.#waiting.shift()?.begin();
    });
  }

  serve(served: Served): void {
    this.#served = served;
    this.enter("serving");
    if (this.#hasLeft) served.leave();
  }

  bytesParsed(): number {
    return this.#reading?.handed ?? 0;
  }

  /** Whether what is served now is to be the last; of several that have come only their last. */
  isLast(): boolean {
    return this.#isLast || this.#isRetiring && this.#waiting.length === 0;
  }

  /** Ends soon: with the next request, as one may be on its way that must not be lost. */
  retire(): void {
    this.#isRetiring = true;
    this.#onRetire?.();
  }

  /** @param callback tells the other end in its protocol's own way that no more is to come */
  whenRetired(callback: () => void): void {
    this.#onRetire = callback;
    if (this.#isRetiring) callback();
  }

  end(): void {
    if (this.#state === "serving" || this.#state === "tunnel") this.enter("ending");
  }

  finish(): void {
    this.#served = null;
    this.bytesBefore = this.bytesParsed();
    this.enter("idle");
    if (this.#isLast) return this.#socket.destroySoon();
    this.#waiting.shift()?.begin();
    if (!this.#isPaused || this.#waiting.length >= PIPELINED_REQUESTS_MAX) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  /** One more stream of HTTP/2 is served, */
  join(): void {
    this.#streams += 1;
    this.#reading?.noteRequest();
    this.enter("serving");
  }

  /** A stream was given up: who gives up very many is served no more (CVE-2023-44487). */
  noteReset(): void {
    this.#resets += 1;
    if (this.#resets > HTTP2_RESETS_MAX + this.#parted / 2) this.destroy();
  }

  /** and one less. */
  part(): void {
    this.#parted += 1;
    this.#streams -= 1;
    if (this.#streams > 0) return;
    this.enter("idle");
    if (this.#isLast) this.destroy();
  }

  /** What is served is the last: the connection ends with it, or now. */
  endSoon(): void {
    this.#isLast = true;
    this.#waiting = [];
    if (this.#state === "new" || this.#state === "idle") this.destroy();
    // It would last for as long as its ends like.
    if (this.#state === "tunnel") this.#caller?.end();
  }

  /**
   * What came is no HTTP: the answer to what is served is the last one.
   * @returns false when nothing is served, and nobody answers
   */
  breakOff(reason: string): boolean {
    this.#reading?.end();
    this.#served?.breakOff(reason);
    this.#isLast = true;
    this.#waiting = this.#isDue ? this.#waiting.slice(0, 1).filter((each) => each.isWhole()) : [];
    return this.#served !== null || this.#waiting.length > 0;
  }

  /** Nobody is at the other end any more, or nobody that sends. */
  leave(): void {
    this.#isLast = true;
    this.#hasLeft = true;
    this.#waiting = this.#isDue ? this.#waiting.slice(0, 1) : [];
    // Of a tunnel what was sent before is still to be passed on, and its own end tells.
    if (this.#state !== "tunnel") this.#served?.leave();
  }

  /** A reset, which no client takes for the end of an answer. */
  cut(): void {
    this.raw.resetAndDestroy();
    this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
    this.raw.destroy();
  }
}
