/** What runs have used, summed, for `/metrics`. */
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import { counterOf, histogramOf, numberOf } from "./catalog.ts";
import type { Metric } from "./metrics.ts";

export class RunUsage {
  readonly metrics: readonly Metric[];
  readonly #limits = counterOf("khachapuri_run_limits_total");
  readonly #seconds = counterOf("khachapuri_run_seconds_total");
  readonly #bytes = counterOf("khachapuri_run_bytes_total");
  readonly #durations = histogramOf("khachapuri_run_duration_seconds");
  readonly #wallTimes = this.#durations.at({ clock: "wall" });
  readonly #cpuTimes = this.#durations.at({ clock: "cpu" });
  readonly #wall = this.#seconds.at({ clock: "wall" });
  readonly #cpu = this.#seconds.at({ clock: "cpu" });
  readonly #stdin = this.#bytes.at({ stream: "stdin" });
  readonly #stdout = this.#bytes.at({ stream: "stdout" });
  readonly #stderr = this.#bytes.at({ stream: "stderr" });
  #peakBytes = 0;

  constructor() {
    this.metrics = [
      this.#limits.metric,
      this.#seconds.metric,
      this.#bytes.metric,
      this.#durations.metric,
      numberOf("khachapuri_run_peak_memory_bytes", () => this.#peakBytes),
    ];
  }

  note(record: RunRecord): void {
    const { limit, wallMs, cpuMs, peakMemoryBytes } = record;
    if (limit !== null) this.#limits.add({ limit });
    this.#wall.value += wallMs / 1_000;
    this.#wallTimes.note(wallMs / 1_000);
    // What was not measured is no time of zero.
    if (cpuMs !== null) this.#cpuTimes.note(cpuMs / 1_000);
    this.#cpu.value += (cpuMs ?? 0) / 1_000;
    this.#stdin.value += record.stdinBytes;
    this.#stdout.value += record.stdoutBytes;
    this.#stderr.value += record.stderrBytes;
    this.#peakBytes = Math.max(this.#peakBytes, peakMemoryBytes ?? 0);
  }
}
