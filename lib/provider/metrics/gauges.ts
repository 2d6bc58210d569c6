/** What `GET /metrics` tells of a provider. Sums only: no payer, no deployment. */
import { EgressUsage } from "./egress_usage.ts";
import { type Counter, createCounter, gauge, type Metric } from "./metrics.ts";
import { RunUsage } from "./run_usage.ts";
import { instanceMetrics, ServerUsage, type WatchedServer } from "./server_usage.ts";

export interface Counters {
  usage: RunUsage;
  egress: EgressUsage;
  servers: ServerUsage;
  /** Responses by status. */
  responses: Counter;
  /** Ended runs by who pays and how they ended; "released" cost nothing. */
  runs: Counter;
  /** Credits charged, by who pays. */
  credits: Counter;
}

export function createCounters(): Counters {
  return {
    usage: new RunUsage(),
    egress: new EgressUsage(),
    servers: new ServerUsage(),
    responses: createCounter("khachapuri_responses_total", "HTTP responses by status."),
    runs: createCounter(
      "khachapuri_runs_total",
      "Ended runs by who pays and outcome; those that were released cost nothing.",
    ),
    credits: createCounter("khachapuri_credits_total", "Credits charged, by who pays."),
  };
}

/** The operator's transactions that are out, and what pays for them. */
export interface OperatorWatched {
  /** Since the oldest of them was signed, ms; 0: none is out. */
  oldestMs: number;
  /** As it was read last, wei; null: it was not. */
  balance: bigint | null;
  /** What a unit of gas cost when that was asked last, wei; null: it was not. */
  gasPrice: bigint | null;
  /** Fees raised since the start. */
  raises: number;
  lacksCoin: boolean;
}

/** Where the gauges are read when somebody asks. Amounts are USDC base units. */
export interface Watched {
  unsettledAmount(): bigint;
  heldAmount(): bigint;
  /** Single payments: sent and not settled, since when, ms, and paid but not answered. */
  exact(): { sent: number; oldestMs: number; unanswered: number };
  lanes(): Promise<{ outstanding: number; refused: number; refusedAmount: bigint }>;
  chargedElsewhere(): number;
  outboxPending(): number;
  operator(): OperatorWatched;
  chainAgeMs(): number;
  endpoints(): readonly { state: "up" | "resting"; disagreements: number }[];
  headAgeMs(): number;
  /** How payers' views came about, and reads of the chain that were refused, by whose limit. */
  views(): { read: number; advanced: number; refused: ReadonlyMap<string, number> };
  sandboxesOpen(): number;
  servers(): readonly WatchedServer[];
  runsBusy(): number;
  ownersLow(): number;
  /** What the machine has left. */
  machine(): { diskFreeBytes: number; memoryAvailableBytes: number };
  /** What owners have kept here. */
  kept(): { bytes: number; roots: number };
}

/** All metrics, read when they are asked for. */
export function providerMetrics(counters: Counters, watched: Watched): Metric[] {
  return [
    counters.responses.metric,
    counters.runs.metric,
    counters.credits.metric,
    ...counters.usage.metrics,
    ...counters.egress.metrics,
    ...counters.servers.metrics,
    gauge(
      "khachapuri_unsettled_usdc_base_units",
      "What runs have used and the escrow has neither paid nor refused.",
      () => Number(watched.unsettledAmount()),
    ),
    gauge(
      "khachapuri_held_usdc_base_units",
      "What runs that have not ended, or are about to come, may still cost.",
      () => Number(watched.heldAmount()),
    ),
    gauge(
      "khachapuri_unsettled_lanes",
      "Lanes with credits that the escrow has not taken.",
      async () => (await watched.lanes()).outstanding,
    ),
    gauge(
      "khachapuri_refused_lanes",
      "Lanes that the escrow refused to settle.",
      async () => (await watched.lanes()).refused,
    ),
    gauge(
      "khachapuri_refused_usdc_base_units",
      "What is written off on them.",
      async () => Number((await watched.lanes()).refusedAmount),
    ),
    gauge(
      "khachapuri_charged_elsewhere_credits",
      "Credits that the escrow took for this provider and that are not in its book.",
      () => watched.chargedElsewhere(),
    ),
    gauge(
      "khachapuri_outbox_pending",
      "Operator transactions that are not mined yet.",
      () => watched.outboxPending(),
    ),
    ...exactMetrics(watched),
    ...operatorMetrics(watched),
    ...chainMetrics(watched),
    gauge("khachapuri_sandboxes_open", "Sandboxes open now.", () => watched.sandboxesOpen()),
    ...instanceMetrics(() => watched.servers()),
    gauge("khachapuri_runs_busy", "Runs going on now.", () => watched.runsBusy()),
    gauge(
      "khachapuri_owners_low",
      "Owners whose last call left them with few credits.",
      () => watched.ownersLow(),
    ),
    gauge(
      "khachapuri_kept_bytes",
      "Disk that content takes which owners have kept here.",
      () => watched.kept().bytes,
    ),
    gauge(
      "khachapuri_kept_roots",
      "How many programs and deployments owners have kept here.",
      () => watched.kept().roots,
    ),
    ...machineMetrics(watched),
  ];
}

function machineMetrics({ machine }: Watched): Metric[] {
  return [
    gauge(
      "khachapuri_disk_free_bytes",
      "Of the disk that the books are on, as it was last looked at.",
      () => machine().diskFreeBytes,
    ),
    gauge(
      "khachapuri_memory_available_bytes",
      "Memory that the machine could give to programs without swapping.",
      () => machine().memoryAvailableBytes,
    ),
  ];
}

function exactMetrics(watched: Watched): Metric[] {
  return [
    gauge(
      "khachapuri_exact_pending",
      "Payments by x402's exact that were sent and are not known to have come.",
      () => watched.exact().sent,
    ),
    gauge(
      "khachapuri_exact_oldest_seconds",
      "Since the oldest of them was sent.",
      () => watched.exact().oldestMs / 1000,
    ),
    gauge(
      "khachapuri_exact_unanswered",
      "Payments that came and whose request has no answer yet: sent again it gets one for nothing.",
      () => watched.exact().unanswered,
    ),
  ];
}

function chainMetrics(watched: Watched): Metric[] {
  return [
    gauge(
      "khachapuri_chain_age_seconds",
      "Since the chain was last heard of.",
      () => watched.chainAgeMs() / 1000,
    ),
    gauge(
      "khachapuri_rpc_endpoints_up",
      "JSON-RPC endpoints of the chain that are not resting after a failure.",
      () => watched.endpoints().filter(({ state }) => state === "up").length,
    ),
    gauge(
      "khachapuri_rpc_disagreements",
      "How often an endpoint was contradicted by another.",
      () => watched.endpoints().reduce((sum, { disagreements }) => sum + disagreements, 0),
    ),
    gauge(
      "khachapuri_chain_head_age_seconds",
      "Since the chain's newest block was made.",
      () => watched.headAgeMs() / 1000,
    ),
    viewsMetric(watched),
    refusedReadsMetric(watched),
  ];
}

/** What was not read yet is NaN. */
function operatorMetrics({ operator }: Watched): Metric[] {
  const numberOf = (wei: bigint | null) => wei === null ? NaN : Number(wei);
  const raises = gauge(
    "khachapuri_operator_fee_raises_total",
    "Operator transactions signed again for a higher price of gas.",
    () => operator().raises,
  );
  return [
    gauge(
      "khachapuri_outbox_oldest_seconds",
      "Since the oldest operator transaction that is not mined yet was signed.",
      () => operator().oldestMs / 1000,
    ),
    gauge(
      "khachapuri_operator_balance_wei",
      "The operator's gas coin as it was read last.",
      () => numberOf(operator().balance),
    ),
    gauge(
      "khachapuri_gas_price_wei",
      "What a unit of gas cost when that was asked last.",
      () => numberOf(operator().gasPrice),
    ),
    gauge(
      "khachapuri_operator_out_of_gas",
      "Whether the operator can pay for a transaction that waits: 1 when it cannot.",
      () => Number(operator().lacksCoin),
    ),
    { ...raises, type: "counter" },
  ];
}

function viewsMetric(watched: Watched): Metric {
  return {
    name: "khachapuri_payer_views_total",
    help: "Views of payers by whether they were read from the chain or advanced by its events.",
    type: "counter",
    read() {
      const { read, advanced } = watched.views();
      return Promise.resolve([
        { labels: { by: "read" }, value: read },
        { labels: { by: "event" }, value: advanced },
      ]);
    },
  };
}

function refusedReadsMetric(watched: Watched): Metric {
  return {
    name: "khachapuri_refused_reads_total",
    help: "Calls refused because the chain would have been read too often, by whose limit.",
    type: "counter",
    read() {
      const { refused } = watched.views();
      return Promise.resolve([...refused].map(([limit, value]) => ({ labels: { limit }, value })));
    },
  };
}
