/**
 * One connection: of HTTP/1 at most one request is served at a time, in the order in which they
 * came (RFC 9112 section 9.3.2). It knows since when it does what it does.
 */
import type { Socket } from "node:net";
import { HTTP2_RESETS_MAX, PIPELINED_REQUESTS_MAX } from "../../limits.ts";
import type { Line } from "./exchange.ts";
import type { Served } from "./incoming.ts";

/** What a connection does: waits for a request, has some served, or gives out an answer's end. */
export type State = "new" | "idle" | "serving" | "ending";

export class Connection implements Line {
  readonly stopBody = null;
  bytesBefore = 0;
  #socket: Socket;
  #state: State = "new";
  #since: number;
  #served: Served | null = null;
  #waiting: (() => void)[] = [];
  #isLast = false;
  #isPaused = false;
  /** Streams of HTTP/2 that are served. */
  #streams = 0;
  #parted = 0;
  #resets = 0;

  /**
   * @param raw as the system accepted it
   * @param now on the clock by which connections are swept, ms
   */
  constructor(private readonly raw: Socket, private readonly now: () => number) {
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

  get socket(): Socket {
    return this.#socket;
  }

  /** Begins with a request, now or once those before it are answered. */
  queue(begin: () => void): void {
    if (this.#isLast) return;
    if (this.#state === "new" || this.#state === "idle") return begin();
    this.#waiting.push(begin);
    if (this.#waiting.length < PIPELINED_REQUESTS_MAX || this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  serve(served: Served): void {
    this.#served = served;
    this.enter("serving");
  }

  isLast(): boolean {
    return this.#isLast;
  }

  end(): void {
    if (this.#state === "serving") this.enter("ending");
  }

  finish(): void {
    this.#served = null;
    this.bytesBefore = this.#socket.bytesRead;
    this.enter("idle");
    if (this.#isLast) return this.#socket.destroySoon();
    this.#waiting.shift()?.();
    if (!this.#isPaused || this.#waiting.length >= PIPELINED_REQUESTS_MAX) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  /** One more stream of HTTP/2 is served, */
  join(): void {
    this.#streams += 1;
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
  }

  /**
   * What came is no HTTP: the answer to what is served is the last one.
   * @returns false when nothing is served, and nobody answers
   */
  breakOff(reason: string): boolean {
    this.#served?.breakOff(reason);
    this.#isLast = true;
    this.#waiting = [];
    return this.#served !== null;
  }

  /** Nobody is at the other end any more, or nobody that sends. */
  leave(): void {
    this.#isLast = true;
    this.#waiting = [];
    this.#served?.leave();
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
