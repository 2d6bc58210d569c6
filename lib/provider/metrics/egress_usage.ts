/** What programs have called, summed, for `/metrics`. */
import type { EgressEvent } from "../../../sandbox/egress.ts";
import { createCounter, type Metric } from "./metrics.ts";

export class EgressUsage {
  readonly metrics: readonly Metric[];
  readonly #connections = createCounter(
    "khachapuri_egress_connections_total",
    "Connections that programs made to hosts outside.",
  );
  readonly #bytes = createCounter(
    "khachapuri_egress_bytes_total",
    "Bytes of those connections, as programs sent and received them.",
  );
  readonly #unreached = createCounter(
    "khachapuri_egress_unreached_total",
    "Names that programs asked for in vain, and connections that were not made, by reason.",
  );
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
