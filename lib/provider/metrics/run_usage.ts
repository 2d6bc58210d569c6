/** What runs have used, summed, for `/metrics`. */
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import { createCounter, gauge, type Metric } from "./metrics.ts";

export class RunUsage {
  readonly metrics: readonly Metric[];
  readonly #limits = createCounter(
    "khachapuri_run_limits_total",
    "Runs that a limit ended, by limit.",
  );
  readonly #seconds = createCounter("khachapuri_run_seconds_total", "Time of runs, by clock.");
  readonly #bytes = createCounter("khachapuri_run_bytes_total", "Bytes of runs, by stream.");
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
      gauge(
        "khachapuri_run_peak_memory_bytes",
        "Most memory that one run has used.",
        () => this.#peakBytes,
      ),
    ];
  }

  note(record: RunRecord): void {
    const { limit, wallMs, cpuMs, peakMemoryBytes } = record;
    if (limit !== null) this.#limits.add({ limit });
    this.#wall.value += wallMs / 1_000;
    this.#cpu.value += (cpuMs ?? 0) / 1_000;
    this.#stdin.value += record.stdinBytes;
    this.#stdout.value += record.stdoutBytes;
    this.#stderr.value += record.stderrBytes;
    this.#peakBytes = Math.max(this.#peakBytes, peakMemoryBytes ?? 0);
  }
}
