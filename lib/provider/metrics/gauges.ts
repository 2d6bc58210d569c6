/** What `GET /metrics` tells of a provider. Sums only: no payer, no deployment. */
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { outstanding, unsettledAmount } from "../ledger/journal.ts";
import { type Counter, createCounter, gauge, type Metric } from "./metrics.ts";
import type { OwnerCredits } from "../money/owner_credits.ts";
import type { Payments } from "../settlement/payments.ts";
import type { Sandboxes } from "../program/sandboxes.ts";
import type { Slots } from "../call/slots.ts";

/** What runs have used, summed. */
export interface RunUsage {
  note(record: RunRecord): void;
  readonly metrics: readonly Metric[];
}

function createUsage(): RunUsage {
  const limits = createCounter("khachapuri_run_limits_total", "Runs that a limit ended, by limit.");
  const seconds = createCounter("khachapuri_run_seconds_total", "Time of runs, by clock.");
  const bytes = createCounter("khachapuri_run_bytes_total", "Bytes of runs, by stream.");
  const [wall, cpu] = [seconds.at({ clock: "wall" }), seconds.at({ clock: "cpu" })];
  const stdin = bytes.at({ stream: "stdin" });
  const stdout = bytes.at({ stream: "stdout" });
  const stderr = bytes.at({ stream: "stderr" });
  let peak = 0;
  return {
    note(record) {
      const { limit, wallMs, cpuMs, peakMemoryBytes } = record;
      if (limit !== null) limits.add({ limit });
      wall.value += wallMs / 1_000;
      cpu.value += (cpuMs ?? 0) / 1_000;
      stdin.value += record.stdinBytes;
      stdout.value += record.stdoutBytes;
      stderr.value += record.stderrBytes;
      peak = Math.max(peak, peakMemoryBytes ?? 0);
    },
    metrics: [
      limits.metric,
      seconds.metric,
      bytes.metric,
      gauge("khachapuri_run_peak_memory_bytes", "Most memory that one run has used.", () => peak),
    ],
  };
}

export interface Counters {
  usage: RunUsage;
  /** Responses by status. */
  responses: Counter;
  /** Ended runs by who pays and how they ended; "released" cost nothing. */
  runs: Counter;
}

export function createCounters(): Counters {
  return {
    usage: createUsage(),
    responses: createCounter("khachapuri_responses_total", "HTTP responses by status."),
    runs: createCounter(
      "khachapuri_runs_total",
      "Ended runs by who pays and outcome; each is a credit charged, unless released.",
    ),
  };
}

export interface Watched {
  payments: Pick<Payments, "ledger" | "operator" | "follower">;
  sandboxes: Pick<Sandboxes, "open">;
  slots: Pick<Slots, "busy">;
  ownerCredits: Pick<OwnerCredits, "low">;
}

/** All metrics, read when they are asked for. Amounts are USDC base units. */
export function providerMetrics(counters: Counters, watched: Watched): Metric[] {
  const { payments: { ledger, operator, follower }, sandboxes, slots, ownerCredits } = watched;
  const dollars = (amount: bigint) => Number(amount);
  return [
    counters.responses.metric,
    counters.runs.metric,
    ...counters.usage.metrics,
    gauge(
      "khachapuri_unsettled_usdc_base_units",
      "What runs have used and the escrow has not paid.",
      () => dollars(ledger.unsettled()),
    ),
    gauge(
      "khachapuri_held_usdc_base_units",
      "What runs that have not ended, or are about to come, may still cost.",
      () => dollars(ledger.held()),
    ),
    gauge(
      "khachapuri_unsettled_lanes",
      "Lanes with credits that the escrow has not taken.",
      () => [...ledger.lanes()].filter((lane) => outstanding(lane) > 0n).length,
    ),
    gauge(
      "khachapuri_refused_lanes",
      "Lanes that the escrow refused to settle.",
      () => refused(ledger).length,
    ),
    gauge(
      "khachapuri_refused_usdc_base_units",
      "What is due on them.",
      () => dollars(refused(ledger).reduce((sum, lane) => sum + unsettledAmount(lane), 0n)),
    ),
    gauge(
      "khachapuri_outbox_pending",
      "Operator transactions that are not mined yet.",
      () => operator.pending(),
    ),
    gauge(
      "khachapuri_chain_age_seconds",
      "Since the chain was last heard of.",
      () => follower.ageMs() / 1000,
    ),
    gauge("khachapuri_sandboxes_open", "Sandboxes open now.", () => sandboxes.open()),
    gauge("khachapuri_runs_busy", "Runs going on now.", () => slots.busy()),
    gauge(
      "khachapuri_owners_low",
      "Owners whose last call left them with few credits.",
      () => ownerCredits.low(),
    ),
  ];
}

function refused(ledger: Ledger) {
  return [...ledger.lanes()].filter(({ refused }) => refused !== null);
}
