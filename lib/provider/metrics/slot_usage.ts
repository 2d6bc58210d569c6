/** How calls came by a slot, or not, for `/metrics`. */
import { counterOf, histogramOf } from "./catalog.ts";
import type { Metric } from "./metrics.ts";

export type SlotRefusal = "slow" | "full" | "late" | "limit" | "rate";

export class SlotUsage {
  readonly metrics: readonly Metric[];
  readonly #refusals = counterOf("khachapuri_slot_refusals_total");
  readonly #left = counterOf("khachapuri_slot_waits_left_total");
  readonly #seconds = histogramOf("khachapuri_slot_wait_seconds");
  readonly #times = this.#seconds.at({});

  constructor() {
    this.metrics = [this.#refusals.metric, this.#left.metric, this.#seconds.metric];
  }

  /** One has waited, whatever came of it. */
  waited(seconds: number): void {
    this.#times.note(seconds);
  }

  refused(reason: SlotRefusal): void {
    this.#refusals.add({ reason });
  }

  /** Its caller did not wait to the end. */
  left(): void {
    this.#left.add({});
  }
}
