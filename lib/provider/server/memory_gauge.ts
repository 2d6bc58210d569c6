/** How much memory an instance takes, as measured now and then. */
import type { Instance } from "../../../sandbox/instance.ts";

/** Between two measurements of an instance that works, ms. */
const AWAKE_EVERY_MS = 10_000;
/** Between those of one that works and stands still in turns, ms. */
const FREEZE_EVERY_MS = 1_000;

export class MemoryGauge {
  /** null: not measured yet. */
  bytes: number | null = null;
  #measuredAt = -Infinity;

  constructor(private readonly instance: Pick<Instance, "usage">) {}

  /** It works; returns when it is to be measured next. */
  whileAwake(now: number): number {
    if (now - this.#measuredAt >= AWAKE_EVERY_MS) this.#measure(now);
    return this.#measuredAt + AWAKE_EVERY_MS;
  }

  beforeFreeze(now: number): void {
    if (now - this.#measuredAt >= FREEZE_EVERY_MS) this.#measure(now);
  }

  #measure(now: number): void {
    this.#measuredAt = now;
    this.instance.usage().then(
      ({ memoryBytes }) => this.bytes = memoryBytes,
      () => {}, // It is dead, which its record tells.
    );
  }
}
