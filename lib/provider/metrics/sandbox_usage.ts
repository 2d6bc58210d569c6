/** Starts of sandboxes, for `/metrics`. */
import { counterOf, histogramOf } from "./catalog.ts";
import type { Metric } from "./metrics.ts";

export class SandboxUsage {
  readonly metrics: readonly Metric[];
  readonly #starts = counterOf("khachapuri_sandbox_starts_total");
  readonly #seconds = histogramOf("khachapuri_sandbox_start_seconds");
  readonly #ready = this.#starts.at({ outcome: "ready" });
  readonly #failed = this.#starts.at({ outcome: "failed" });
  readonly #times = this.#seconds.at({});
  readonly #evictions = counterOf("khachapuri_sandbox_evictions_total");
  readonly #evicted = this.#evictions.at({});

  constructor() {
    this.metrics = [this.#starts.metric, this.#seconds.metric, this.#evictions.metric];
  }

  /** One was closed to make room for another. */
  noteEvicted(): void {
    this.#evicted.value += 1;
  }

  /** Has one started, and tells how that went. */
  async timed<T>(start: () => Promise<T>): Promise<T> {
    const begunAt = performance.now();
    try {
      const started = await start();
      this.#ready.value += 1;
      this.#times.note((performance.now() - begunAt) / 1_000);
      return started;
    } catch (error) {
      this.#failed.value += 1;
      throw error;
    }
  }
}
