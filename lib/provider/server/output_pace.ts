/** Holds up an instance that prints more than its owner's log takes; nothing of it is lost. */
import type { Clock } from "../../clock.ts";
import {
  SERVER_OUTPUT_BURST_BYTES_MAX,
  SERVER_OUTPUT_BYTES_PER_SECOND_MAX,
} from "../../limits_of_servers.ts";

export class OutputPace {
  /** What may come at once; below zero for what came beyond it. */
  #room = SERVER_OUTPUT_BURST_BYTES_MAX;
  #filledAt: number;
  #release: (() => void) | null = null;
  #isStopped = false;

  constructor(private readonly clock: Clock) {
    this.#filledAt = clock.now();
  }

  /** Resolves when more may come; nothing: at once. To be called again only then. */
  take(bytes: number): void | Promise<void> {
    const now = this.clock.now();
    const refilled = (now - this.#filledAt) * SERVER_OUTPUT_BYTES_PER_SECOND_MAX / 1_000;
    this.#room = Math.min(SERVER_OUTPUT_BURST_BYTES_MAX, this.#room + refilled) - bytes;
    this.#filledAt = now;
    if (this.#room >= 0 || this.#isStopped) return;
    return new Promise((resolve) => {
      const waitMs = -this.#room * 1_000 / SERVER_OUTPUT_BYTES_PER_SECOND_MAX;
      const cancel = this.clock.after(Math.ceil(waitMs), resolve);
      this.#release = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Whoever printed ends: it is held up no more. */
  stop(): void {
    this.#isStopped = true;
    this.#release?.();
  }
}
