/** Instances of servers, those that there were and those that there are, for `/metrics`. */
import { counterOf, numberOf, samplesOf } from "./catalog.ts";
import type { Metric } from "./metrics.ts";

/** A server as it is now. */
export interface WatchedServer {
  readonly instances: readonly {
    readonly state: string;
    /** null: it was not measured yet. */
    readonly memoryBytes: number | null;
    readonly tunnels: number;
  }[];
}

/** In the order of an instance's life. */
const STATES = ["starting", "awake", "frozen", "draining"];

export class ServerUsage {
  readonly metrics: readonly Metric[];
  readonly #starts = counterOf("khachapuri_instance_starts_total");
  readonly #ends = counterOf("khachapuri_instance_ends_total");
  readonly #seconds = counterOf("khachapuri_instance_cpu_seconds_total");
  readonly #ready = this.#starts.at({ outcome: "ready" });
  readonly #failed = this.#starts.at({ outcome: "failed" });
  readonly #cpu = this.#seconds.at({});

  constructor() {
    this.metrics = [this.#starts.metric, this.#ends.metric, this.#seconds.metric];
  }

  started(): void {
    this.#ready.value += 1;
  }

  /** One did not come to listen. */
  failed(cpuMs: number | null): void {
    this.#failed.value += 1;
    this.#used(cpuMs);
  }

  ended(why: string, cpuMs: number | null): void {
    this.#ends.add({ why });
    this.#used(cpuMs);
  }

  #used(cpuMs: number | null): void {
    this.#cpu.value += (cpuMs ?? 0) / 1_000;
  }
}

/** What there is now of all servers together. */
export function instanceMetrics(servers: () => readonly WatchedServer[]): Metric[] {
  const instances = () => servers().flatMap((server) => server.instances);
  const sumOf = (figure: "memoryBytes" | "tunnels") =>
    instances().reduce((sum, instance) => sum + (instance[figure] ?? 0), 0);
  return [
    samplesOf("khachapuri_instances", () => {
      const all = instances();
      return STATES.map((state) => ({
        labels: { state },
        value: all.filter((instance) => instance.state === state).length,
      }));
    }),
    numberOf("khachapuri_instance_memory_bytes", () => sumOf("memoryBytes")),
    numberOf("khachapuri_tunnels", () => sumOf("tunnels")),
  ];
}
