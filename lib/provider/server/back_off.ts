/** The pauses between the starts of a server that does not come up, or not for long. */
import { isProgramsOwn, type KhachapuriError } from "../../errors.ts";
import { SERVER_BACK_OFF_MS_MAX } from "../../limits_of_servers.ts";

/** After the first failure, ms; it doubles with each. */
const FIRST_PAUSE_MS = 1_000;

export class BackOff {
  /** In a row. */
  #failures = 0;
  #until = -Infinity;
  #why: KhachapuriError | null = null;

  /** @param now a clock that does not go back, ms */
  constructor(private readonly now: () => number) {}

  /**
   * @param why what callers are told until the pause is over
   * @returns the same with when to come back, for those who waited
   */
  fail(why: KhachapuriError): KhachapuriError {
    if (this.isForgotten()) this.#failures = 0;
    let pause = FIRST_PAUSE_MS;
    // What our side fails at says nothing of the program.
    if (isProgramsOwn(why)) {
      pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, SERVER_BACK_OFF_MS_MAX);
      this.#failures += 1;
    }
    this.#until = Math.max(this.#until, this.now() + pause);
    this.#why = why;
    return this.refusal()!;
  }

  /** Why there is no start now; null: there may be one. */
  refusal(): KhachapuriError | null {
    const left = this.#until - this.now();
    if (this.#why === null || left <= 0) return null;
    return this.#why.toldWith({ retryAfterSeconds: Math.ceil(left / 1_000) });
  }

  /** Whether the next failure would count as the first. */
  isForgotten(): boolean {
    return this.now() >= this.forgottenAt();
  }

  /** When failures so far count no more: they say little of what happens much later. */
  forgottenAt(): number {
    return this.#until + SERVER_BACK_OFF_MS_MAX;
  }
}
