/** Metrics of the process, its machine and its sockets. */
import type { MetricFacts } from "./metrics.ts";

/** Of a turn that others wait for, seconds. */
const DELAY_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

export const MACHINE_METRICS = {
  khachapuri_build_info: {
    type: "gauge",
    help: "1, for the release that runs and the machine's architecture.",
    labels: { version: "the release", arch: "`x86_64` or `aarch64`" },
  },
  khachapuri_ready: {
    type: "gauge",
    help: "Whether this process takes calls, as `/readyz` says: 1, or 0 while it ends.",
  },
  khachapuri_alarms: {
    type: "gauge",
    help: "What a person must look at, as `/healthz` says it: how many such things there are.",
    advice: "`khachapuri doctor` and `/healthz` say what.",
  },
  process_start_time_seconds: {
    type: "gauge",
    help: "When the process started, Unix seconds.",
    advice: "It changes with each start: more often than you start it, it crashes.",
  },
  process_cpu_seconds_total: {
    type: "counter",
    help: "Processor time of the provider's own process, without programs.",
  },
  process_resident_memory_bytes: {
    type: "gauge",
    help: "Memory of the provider's own process, without programs.",
  },
  process_open_fds: {
    type: "gauge",
    help: "Descriptors that the provider's own process has open; NaN: not known.",
    advice: "Near the limit, no connection is accepted and no program starts.",
  },
  process_max_fds: {
    type: "gauge",
    help: "Descriptors that it may have open (LimitNOFILE); NaN: not known.",
  },
  khachapuri_event_loop_delay_seconds: {
    type: "histogram",
    bounds: DELAY_SECONDS,
    help: "How much later than asked the process came to run, looked at twice a second.",
    advice: "Long delays: the processors are taken, by programs or by others of the machine.",
  },
  khachapuri_state_disk_free_bytes: {
    type: "gauge",
    help: "Room on the disk of the state directory, looked at twice a second; NaN: not known.",
    advice: "Without room nothing is charged: calls are refused. See what else fills the disk.",
  },
  khachapuri_state_disk_bytes: {
    type: "gauge",
    help: "Size of that disk; NaN: not known.",
  },
  khachapuri_memory_available_bytes: {
    type: "gauge",
    help: "Memory that the machine could give to programs without swapping.",
    advice: "When it is short no further sandbox is opened: calls that need one are refused.",
  },
  khachapuri_connections: {
    type: "gauge",
    help: "Connections of callers, by what they do.",
    labels: { state: "`new`, `idle`, `serving`, `ending` or `tunnel`" },
  },
  khachapuri_connections_accepted_total: {
    type: "counter",
    help: "Connections that came.",
  },
  khachapuri_connections_refused_total: {
    type: "counter",
    help: "Connections that were ended at once, as a bound was reached.",
    labels: { reason: "`full`, `network` (its own bound) or `closing`" },
  },
  khachapuri_connection_bytes_total: {
    type: "counter",
    help: "Bytes on connections, with what encrypts them; counted when one ends.",
    labels: { direction: "`received` or `sent`" },
  },
  khachapuri_tls_handshake_failures_total: {
    type: "counter",
    help: "TLS handshakes that failed; strangers who scan cause some.",
  },
  khachapuri_tls_certificate_not_after_timestamp_seconds: {
    type: "gauge",
    help:
      "When the certificate in use ends, Unix seconds; absent: TLS is a proxy's, or none is had.",
    advice: "Renew it in time: after that no caller comes through.",
  },
  khachapuri_certificate_failures: {
    type: "gauge",
    help: "Attempts in a row to have or renew the certificate by itself that came to nothing; " +
      "absent: that is not its task (`provider.acme`).",
    advice: "`khachapuri certificate` tells why the last one failed.",
  },
} as const satisfies Record<string, MetricFacts>;
