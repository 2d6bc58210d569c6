/** Connections and what goes over them, for `/metrics`. */
import { counterOf, numberOf, samplesOf } from "./catalog.ts";
import type { Metric } from "./metrics.ts";

/** In the order of a connection's life. */
const STATES = ["new", "idle", "serving", "ending", "tunnel"] as const;

/** The connections that there are. */
export interface WatchedConnections {
  /** How many do what. */
  states(): Readonly<Record<string, number>>;
  /** How many there have been. */
  readonly accepted: number;
}

export class WireUsage {
  readonly metrics: readonly Metric[];
  readonly #refused = counterOf("khachapuri_connections_refused_total");
  readonly #bytes = counterOf("khachapuri_connection_bytes_total");
  readonly #failures = counterOf("khachapuri_tls_handshake_failures_total");
  readonly #received = this.#bytes.at({ direction: "received" });
  readonly #sent = this.#bytes.at({ direction: "sent" });
  readonly #failed = this.#failures.at({});
  #connections: WatchedConnections | null = null;
  /** Unix seconds; null: there is no certificate here. */
  #notAfter: number | null = null;

  constructor() {
    this.metrics = [
      samplesOf("khachapuri_connections", () => {
        const states = this.#connections?.states() ?? {};
        return STATES.map((state) => ({ labels: { state }, value: states[state] ?? 0 }));
      }),
      numberOf("khachapuri_connections_accepted_total", () => this.#connections?.accepted ?? 0),
      this.#refused.metric,
      this.#bytes.metric,
      this.#failures.metric,
      samplesOf("khachapuri_tls_certificate_not_after_timestamp_seconds", () => {
        return this.#notAfter === null ? [] : [{ value: this.#notAfter }];
      }),
    ];
  }

  watch(connections: WatchedConnections): void {
    this.#connections = connections;
  }

  refused(reason: "full" | "network" | "closing"): void {
    this.#refused.add({ reason });
  }

  /** A connection is over. */
  ended(bytesReceived: number, bytesSent: number): void {
    this.#received.value += bytesReceived;
    this.#sent.value += bytesSent;
  }

  handshakeFailed(): void {
    this.#failed.value += 1;
  }

  /** @param notAfter when the certificate in use ends, Unix seconds */
  certificate(notAfter: number): void {
    this.#notAfter = notAfter;
  }
}
