/** Where specs and programs were read, and how gateways answered, for `/metrics`. */
import { counterOf } from "./catalog.ts";
import type { Metric } from "./metrics.ts";

export class ContentUsage {
  readonly metrics: readonly Metric[];
  readonly #reads = counterOf("khachapuri_content_reads_total");
  readonly #requests = counterOf("khachapuri_gateway_requests_total");

  constructor() {
    this.metrics = [this.#reads.metric, this.#requests.metric];
  }

  read(source: "kept" | "cache" | "peers" | "gateways" | "nowhere"): void {
    this.#reads.add({ source });
  }

  /** @param gateway one of those that the operator named */
  asked(gateway: string, outcome: "answered" | "failed" | "dropped"): void {
    this.#requests.add({ gateway, outcome });
  }
}
