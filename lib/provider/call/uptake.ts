/**
 * Whether a caller takes what its answer has ready. Output that waits for its caller keeps its
 * program waiting too: that is no work, and nobody shall pay for more and more of it.
 */
import type { Clock } from "../../clock.ts";
import { KhachapuriError } from "../../errors.ts";
import { Patience } from "../http/patience.ts";
import { sharedClock } from "./shared_timer.ts";

/** Output that has waited for less, ms, may wait for a hiccup of its caller's network. */
export const UNTAKEN_MS_MIN = 2_000;

export class Uptake {
  readonly #patience: Patience;
  /** Of the piece that waits for room in the caller's connection. */
  #bytes = 0;
  #failure: KhachapuriError | null = null;
  #stop: (() => void) | null = null;

  /**
   * @param creditMs what one credit is good for, ms
   * @param now a clock that does not go back, ms
   */
  constructor(private readonly creditMs: number, now: () => number = () => performance.now()) {
    this.#patience = new Patience("took the answer", now);
  }

  /** A piece of output went to the caller's connection. */
  hand(bytes = 0): void {
    this.#bytes = bytes;
    this.#patience.wait();
  }

  /** The connection has room for more: what it was given has been taken. */
  take(): void {
    this.#patience.moved(this.#bytes);
    this.#bytes = 0;
  }

  /**
   * From now on the caller has to keep up a pace (patience.ts).
   * @param onLost called once when it has not: the answer ends
   */
  watch(
    onLost: (why: KhachapuriError) => void,
    clock: Pick<Clock, "after"> = sharedClock,
  ): void {
    this.#stop = this.#patience.watch(clock, (why) => {
      this.#failure = new KhachapuriError("program_timeout", why);
      onLost(this.#failure);
    });
  }

  /** The answer is over. */
  unwatch(): void {
    this.#stop?.();
  }

  /** Why the answer was ended for its caller's pace; null: it was not. */
  failure(): KhachapuriError | null {
    return this.#failure;
  }

  /**
   * A program that has nothing to say waits for nobody, however long it takes.
   * @throws KhachapuriError `program_timeout` when a piece has waited through a whole credit's time
   */
  assertTaken(): void {
    const waitedMs = this.#patience.waitingMs();
    if (waitedMs < Math.max(this.creditMs, UNTAKEN_MS_MIN)) return;
    const seconds = Math.round(waitedMs / 1_000);
    throw new KhachapuriError(
      "program_timeout",
      `the caller took nothing of the answer for ${seconds} s`,
    );
  }
}
