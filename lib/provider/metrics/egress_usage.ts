/** What programs have called, summed, for `/metrics`. */
import type { EgressEvent } from "../../../sandbox/egress.ts";
import { counterOf } from "./catalog.ts";
import type { Metric } from "./metrics.ts";

export class EgressUsage {
  readonly metrics: readonly Metric[];
  readonly #connections = counterOf("khachapuri_egress_connections_total");
  readonly #bytes = counterOf("khachapuri_egress_bytes_total");
  readonly #unreached = counterOf("khachapuri_egress_unreached_total");
  readonly #made = this.#connections.at({});
  readonly #sent = this.#bytes.at({ direction: "sent" });
  readonly #received = this.#bytes.at({ direction: "received" });

  constructor() {
    this.metrics = [this.#connections.metric, this.#bytes.metric, this.#unreached.metric];
  }

  /** @param event of what was used: since the last one of its sandbox */
  note(event: EgressEvent): void {
    if (event.kind === "used") {
      this.#made.value += event.connections;
      this.#sent.value += event.sentBytes;
      this.#received.value += event.receivedBytes;
    } else {
      this.#unreached.add({ reason: event.kind === "asked" ? "notListed" : event.failure });
    }
  }
}
