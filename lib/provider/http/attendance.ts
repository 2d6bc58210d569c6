/**
 * Callers that go away while they are served. Asking a request for its signal costs a short call a
 * good part of its time (`deno task bench sandbox`, row "khachapuri, whole request"), so a call is
 * watched only once it has lasted a moment.
 */
import type { ShortTimer } from "./short_timer.ts";

/** Watches the caller of one request until `end`. */
export class Attendance {
  #isGone = false;
  #isWatched = false;
  #isOver = false;
  #onGone: (() => void) | null = null;
  readonly #forget: () => void;

  constructor(private readonly request: Pick<Request, "signal">, timer: ShortTimer) {
    this.#forget = timer.after(() => this.expectLong());
  }

  /** The call will take a while: watches its caller from now on. */
  expectLong(): void {
    if (this.#isWatched || this.#isOver) return;
    this.#isWatched = true;
    const { signal } = this.request;
    if (signal.aborted) this.#gone();
    else signal.addEventListener("abort", () => this.#gone(), { once: true });
  }

  /** Whether the caller is known to have gone. */
  hasGone(): boolean {
    return this.#isGone;
  }

  /** Calls back once when the caller goes, or has gone. */
  whenGone(callback: () => void): void {
    if (this.#isGone) callback();
    else this.#onGone = callback;
  }

  end(): void {
    this.#isOver = true;
    this.#onGone = null;
    this.#forget();
  }

  #gone(): void {
    if (this.#isOver) return;
    this.#isGone = true;
    this.#onGone?.();
    this.#onGone = null;
  }
}
