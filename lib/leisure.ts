/** Work that can wait for calls: verifying, inflating and writing what is opened. */
import { PROGRAM_SMALL_BYTES_MAX } from "./limits.ts";
import { pause } from "./pause.ts";
import { breathe } from "./slices.ts";

/** Bytes between two turns that work takes while it is not large, a fraction of a millisecond. */
const TURN_BYTES = 256 * 1024;
/** Turns of the event loop between two slices: a call takes about as many. */
const TURNS = 8;
/** How many times as long as a slice took nothing follows it: a third of a processor is used. */
const RESTS = 2;
/** At most, ms: what waits for a slow disk keeps nobody from a processor. */
const LONGEST_REST_MS = 10;

/**
 * How long after a call others are taken to follow it, ms. Where nobody calls, what is opened is
 * kept waiting for nobody; the first that calls then waits for one slice.
 */
const CALLS_FOLLOW_MS = 250;

/** Work in steps, each of which says how much it was: the bytes that are verified in its time. */
export type Steps<Result> = Generator<number, Result>;

let lastCallAt = -Infinity;

/** Notes that somebody calls, or asks the provider itself: for them such work is to leave time. */
export function noteCall(): void {
  lastCallAt = performance.now();
}

function isQuiet(): boolean {
  return performance.now() - lastCallAt > CALLS_FOLLOW_MS;
}

/** Slices that are done one at a time, on whatever thread, with a rest after each. */
export class RestingQueue {
  #last: Promise<void> = Promise.resolve();
  /** No slice begins before, ms of `performance.now()`. */
  #restsUntil = 0;

  slice<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    const slice = this.#last.then(async () => {
      const restMs = this.#restsUntil - performance.now();
      // A timer's grain: what is rested less is rested later.
      if (restMs >= 1 && !isQuiet()) await pause(restMs);
      const from = performance.now();
      try {
        return await work();
      } finally {
        const tookMs = performance.now() - from;
        const rest = Math.min(RESTS * tookMs, LONGEST_REST_MS);
        this.#restsUntil = Math.max(this.#restsUntil, from) + tookMs + rest;
      }
    });
    this.#last = slice.then(ignore, ignore);
    return slice;
  }
}

let lastTurn = Promise.resolve();
/** Of everything large that is opened here. */
const openings = new RestingQueue();

/**
 * One piece of work on many bytes, in slices. What a small program takes is done at once, a slice
 * at a time with calls between. Beyond that, of all such work in this process one slice is done at
 * a time, on whatever thread, and then nothing for twice as long: a call goes on by several threads
 * and processes, and where processors are always busy each of them waits for one (`deno task bench
 * attacks`, "openings"). Where nobody calls all of it is done at once.
 */
export class Leisure {
  #bytes = 0;

  /** Does one slice of the work. */
  async slice<Result>(
    bytes: number,
    work: () => Result | Promise<Result>,
  ): Promise<Result> {
    const before = this.#bytes;
    this.#bytes += bytes;
    const isTurn = turnsOf(before) < turnsOf(this.#bytes);
    if (isQuiet()) return await work();
    if (this.#bytes > PROGRAM_SMALL_BYTES_MAX) return await openings.slice(work);
    return await (isTurn ? inTurn(work) : work());
  }

  /** Does it all, a step in a slice. What one was is known behind it, and counts with the next. */
  async steps<Result>(steps: Steps<Result>): Promise<Result> {
    for (let bytes = 0;;) {
      const { done, value } = await this.slice(bytes, () => steps.next());
      if (done) return value;
      // Nobody is seen to call who has no turn, and what is worked on may all be here.
      await breathe();
      bytes = value;
    }
  }
}

function turnsOf(bytes: number): number {
  return Math.floor(bytes / TURN_BYTES);
}

/** Of all that is done in turn one is done at a time; before the next, calls go. */
function inTurn<Result>(work: () => Result | Promise<Result>): Promise<Result> {
  const turn = lastTurn.then(work);
  lastTurn = turn.then(ignore, ignore).then(letCallsGo);
  return turn;
}

async function letCallsGo(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await breathe();
}

function ignore(): void {}
