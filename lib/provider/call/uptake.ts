/**
 * Whether a caller takes what its answer has ready. Output that waits for its caller keeps its
 * program waiting too: that is no work, and nobody shall pay for more and more of it.
 */
import { KhachapuriError } from "../../errors.ts";

/** Output that has waited for less, ms, may wait for a hiccup of its caller's network. */
export const UNTAKEN_MS_MIN = 2_000;

export class Uptake {
  /** Since when a piece of output waits for room in the caller's connection; null: none does. */
  #waitingSince: number | null = null;

  /**
   * @param creditMs what one credit is good for, ms
   * @param now a clock that does not go back, ms
   */
  constructor(
    private readonly creditMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** A piece of output went to the caller's connection. */
  hand(): void {
    this.#waitingSince = this.now();
  }

  /** The connection has room for more: what it was given has been taken. */
  take(): void {
    this.#waitingSince = null;
  }

  /**
   * A program that has nothing to say waits for nobody, however long it takes.
   * @throws KhachapuriError `program_timeout` when a piece has waited through a whole credit's time
   */
  assertTaken(): void {
    const waitedMs = this.#waitingSince === null ? 0 : this.now() - this.#waitingSince;
    if (waitedMs < Math.max(this.creditMs, UNTAKEN_MS_MIN)) return;
    const seconds = Math.round(waitedMs / 1_000);
    throw new KhachapuriError(
      "program_timeout",
      `the caller took nothing of the answer for ${seconds} s`,
    );
  }
}
