/** Metrics of calls: requests, runs, what programs use, and the content that they are made of. */
import type { MetricFacts } from "./metrics.ts";

/** Of what callers wait for, seconds. */
const WAIT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Of what programs take, seconds. */
const RUN_SECONDS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900];

export const CALL_METRICS = {
  khachapuri_responses_total: {
    type: "counter",
    help: "HTTP responses by status.",
    labels: { status: "the HTTP status" },
  },
  khachapuri_refusals_total: {
    type: "counter",
    help: "Requests that were refused or failed, by the code of the error.",
    labels: { code: "a code of exit-codes.md" },
    advice:
      "`internal` is a bug; `sandbox_unavailable`, `chain_unavailable` and `overloaded` are yours.",
  },
  khachapuri_request_seconds: {
    type: "histogram",
    bounds: WAIT_SECONDS,
    help: "From a request's head to the head of its answer, by what was asked.",
    labels: { class: "`call`, `own` (a path of the provider's) or `refused`" },
  },
  khachapuri_own_requests_total: {
    type: "counter",
    help: "Requests to the provider's own paths: pushes, names, relays, logs and the like.",
    labels: { path: "the path, or how it begins", outcome: "`done` or `refused`" },
  },
  khachapuri_denials: {
    type: "gauge",
    help: "Denials of the abuse desk that are in force.",
    labels: { kind: "`owner`, `deployment`, `payer` or `network`" },
  },
  khachapuri_denied_requests_total: {
    type: "counter",
    help: "Requests refused by a denial.",
    labels: { kind: "as above" },
  },
  khachapuri_runs_total: {
    type: "counter",
    help: "Ended runs by who pays and outcome; those that were released cost nothing.",
    labels: {
      paid_by: "`owner` or `caller`",
      outcome: "`answered`, `failed`, `timeout`, `limit`, `aborted` or `released`",
    },
    advice: "`released` is work for nothing: the fault was the provider's.",
  },
  khachapuri_credits_total: {
    type: "counter",
    help: "Credits charged, by who pays.",
    labels: { paid_by: "`owner` or `caller`" },
  },
  khachapuri_run_limits_total: {
    type: "counter",
    help: "Runs that a limit ended, by limit.",
    labels: { limit: "`timeout`, `memory`, `pids`, `output`, …" },
  },
  khachapuri_run_seconds_total: {
    type: "counter",
    help: "Time of runs, by clock.",
    labels: { clock: "`wall` or `cpu`" },
  },
  khachapuri_run_duration_seconds: {
    type: "histogram",
    bounds: RUN_SECONDS,
    help: "How long runs took, by clock.",
    labels: { clock: "`wall` or `cpu`" },
  },
  khachapuri_run_bytes_total: {
    type: "counter",
    help: "Bytes of runs, by stream.",
    labels: { stream: "`stdin`, `stdout` or `stderr`" },
  },
  khachapuri_run_peak_memory_bytes: {
    type: "gauge",
    help: "Most memory that one run has used.",
  },
  khachapuri_runs_busy: { type: "gauge", help: "Runs going on now." },
  khachapuri_slots: {
    type: "gauge",
    help:
      "Runs that may go on at a time (`sandbox.concurrency`, or what the machine has room for).",
    advice: "With calls queued all the time: raise it, if processors and memory allow.",
  },
  khachapuri_calls_queued: {
    type: "gauge",
    help: "Calls that wait for a slot, their deployment's own limit included.",
  },
  khachapuri_slot_wait_seconds: {
    type: "histogram",
    bounds: WAIT_SECONDS,
    help: "How long calls waited for a slot, of those that found none at once.",
  },
  khachapuri_slot_waits_left_total: {
    type: "counter",
    help: "Calls whose caller left while they waited for a slot.",
  },
  khachapuri_slot_refusals_total: {
    type: "counter",
    help: "Calls that got no slot, by reason; free, and told when to come back.",
    labels: {
      reason: "`limit` and `rate` (429, of the deployment itself); `slow` (so many wait that it " +
        "would wait for too long), `full` (too many wait), `late` (it has waited for too long)",
    },
    advice: "`slow`, `full`, `late`: the provider is full, or one owner's calls are too many.",
  },
  khachapuri_calls_waiting: {
    type: "gauge",
    help: "Calls that wait for an instance of a server, and hold no slot meanwhile.",
  },
  khachapuri_sandboxes_open: { type: "gauge", help: "Sandboxes open now." },
  khachapuri_sandboxes_max: {
    type: "gauge",
    help: "Sandboxes that may be open beside the spares, which count among `sandbox.open`.",
  },
  khachapuri_sandboxes_spare: {
    type: "gauge",
    help: "Sandboxes started ahead of need, which wait for a program.",
  },
  khachapuri_sandbox_evictions_total: {
    type: "counter",
    help: "Sandboxes closed to make room for others.",
    advice: "Many a second: more deployments are in use than may be open.",
  },
  khachapuri_sandbox_starts_total: {
    type: "counter",
    help: "Sandboxes that were started, and those that could not be.",
    labels: { outcome: "`ready` or `failed`" },
    advice: "`failed`: `khachapuri doctor` on the machine tries one.",
  },
  khachapuri_sandbox_start_seconds: {
    type: "histogram",
    bounds: WAIT_SECONDS,
    help: "How long sandboxes took to start, once their program was here.",
  },
  khachapuri_instances: {
    type: "gauge",
    help: "Instances of servers, by state.",
    labels: { state: "`starting`, `awake`, `frozen` or `draining`" },
  },
  khachapuri_instance_memory_bytes: {
    type: "gauge",
    help: "Memory of instances as it was last measured.",
  },
  khachapuri_instance_starts_total: {
    type: "counter",
    help: "Instances of servers that came to listen, and those that did not.",
    labels: { outcome: "`ready` or `failed`" },
  },
  khachapuri_instance_ends_total: {
    type: "counter",
    help: "Instances that ended after they had listened, by why.",
    labels: { why: "`idle`, `crashed`, …" },
  },
  khachapuri_instance_cpu_seconds_total: {
    type: "counter",
    help: "Processor time of instances that ended.",
  },
  khachapuri_tunnels: {
    type: "gauge",
    help: "Connections to servers that became something else: WebSockets.",
  },
  khachapuri_egress_connections_total: {
    type: "counter",
    help: "Connections that programs made to hosts outside.",
  },
  khachapuri_egress_bytes_total: {
    type: "counter",
    help: "Bytes of those connections, as programs sent and received them.",
    labels: { direction: "`sent` or `received`" },
  },
  khachapuri_egress_unreached_total: {
    type: "counter",
    help: "Names that programs asked for in vain, and connections that were not made, by reason.",
    labels: { reason: "`notListed`, or why no connection was made" },
  },
  khachapuri_content_reads_total: {
    type: "counter",
    help: "Specs and programs that were read, by where they were found.",
    labels: {
      source: "`kept`, `cache`, `peers` (another node of this provider), `gateways` or `nowhere`",
    },
  },
  khachapuri_gateway_requests_total: {
    type: "counter",
    help: "What IPFS gateways were asked for, by gateway and outcome.",
    labels: {
      gateway: "host and port, of those in config.json",
      outcome: "`answered`, `failed` or `dropped` (another was faster)",
    },
    advice: "One that only fails is to be struck from `gateways`.",
  },
  khachapuri_cache_bytes: {
    type: "gauge",
    help: "Disk that content takes which was read through gateways.",
  },
  khachapuri_kept_bytes: {
    type: "gauge",
    help: "Disk that content takes which owners have kept here.",
  },
  khachapuri_kept_roots: {
    type: "gauge",
    help: "How many programs and deployments owners have kept here.",
  },
} as const satisfies Record<string, MetricFacts>;
