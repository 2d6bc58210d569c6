/** The provider's own process, for `/metrics`. */
import process from "node:process";
import type { MachineFigures } from "../../../sandbox/machine_figures.ts";
import { histogramOf, numberOf, samplesOf } from "./catalog.ts";
import type { Metric } from "./metrics.ts";

type DescriptorFigures = Pick<MachineFigures, "openDescriptors" | "descriptorsMax">;

const UNKNOWN: DescriptorFigures = {
  openDescriptors: NaN,
  descriptorsMax: NaN,
};

/** Between two looks at how late the process comes to run, ms. */
const DELAY_LOOK_MS = 500;
/** What the helper said is good for so long, ms: it is a process of its own. */
const FIGURES_MS = 5_000;

export interface ProcessUsageOptions {
  version: string;
  /** @throws when nobody knows */
  figures(): Promise<DescriptorFigures>;
}

export class ProcessUsage {
  readonly metrics: readonly Metric[];
  readonly #delays = histogramOf("khachapuri_event_loop_delay_seconds");
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #options: ProcessUsageOptions;
  #figures: Promise<DescriptorFigures> | null = null;
  #figuresAt = -Infinity;

  constructor(options: ProcessUsageOptions) {
    this.#options = options;
    const delays = this.#delays.at({});
    let due = performance.now() + DELAY_LOOK_MS;
    this.#timer = setInterval(() => {
      const now = performance.now();
      delays.note(Math.max(0, now - due) / 1_000);
      due = now + DELAY_LOOK_MS;
    }, DELAY_LOOK_MS);
    Deno.unrefTimer(this.#timer);
    this.metrics = this.#metrics();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #metrics(): Metric[] {
    const { version } = this.#options;
    const figure = (name: keyof DescriptorFigures) => async () => (await this.#look())[name];
    const startedAt = Date.now() / 1_000 - process.uptime();
    return [
      samplesOf("khachapuri_build_info", () => {
        return [{ labels: { version, arch: Deno.build.arch }, value: 1 }];
      }),
      numberOf("process_start_time_seconds", () => startedAt),
      numberOf("process_cpu_seconds_total", () => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1e6;
      }),
      numberOf("process_resident_memory_bytes", () => Deno.memoryUsage().rss),
      numberOf("process_open_fds", figure("openDescriptors")),
      numberOf("process_max_fds", figure("descriptorsMax")),
      this.#delays.metric,
    ];
  }

  /** One look at a time, for all who ask. */
  #look(): Promise<DescriptorFigures> {
    const now = performance.now();
    if (this.#figures === null || now - this.#figuresAt > FIGURES_MS) {
      this.#figuresAt = now;
      this.#figures = this.#options.figures().catch(() => UNKNOWN);
    }
    return this.#figures;
  }
}
