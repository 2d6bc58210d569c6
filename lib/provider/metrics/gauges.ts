/** What `GET /metrics` tells of a provider. Sums only: no payer, no deployment. */
import type { Distribution } from "../../distribution.ts";
import { counterOf, numberOf, samplesOf } from "./catalog.ts";
import { ContentUsage } from "./content_usage.ts";
import { EgressUsage } from "./egress_usage.ts";
import { FleetUsage, type FleetWatched } from "./fleet_usage.ts";
import type { MachineRoom } from "./machine_watch.ts";
import { type Counter, distributed, type Metric, type Sample } from "./metrics.ts";
import { RequestUsage } from "./request_usage.ts";
import { RunUsage } from "./run_usage.ts";
import { SandboxUsage } from "./sandbox_usage.ts";
import { SlotUsage } from "./slot_usage.ts";
import { instanceMetrics, ServerUsage, type WatchedServer } from "./server_usage.ts";
import { WireUsage } from "./wire_usage.ts";

export interface Counters {
  usage: RunUsage;
  egress: EgressUsage;
  servers: ServerUsage;
  requests: RequestUsage;
  sandboxes: SandboxUsage;
  slots: SlotUsage;
  content: ContentUsage;
  wire: WireUsage;
  /** Of a node that is one of several. */
  fleet: FleetUsage;
  /** Requests that a denial refused, by its kind. */
  denied: Counter;
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
    requests: new RequestUsage(),
    sandboxes: new SandboxUsage(),
    slots: new SlotUsage(),
    content: new ContentUsage(),
    wire: new WireUsage(),
    fleet: new FleetUsage(),
    denied: counterOf("khachapuri_denied_requests_total"),
    runs: counterOf("khachapuri_runs_total"),
    credits: counterOf("khachapuri_credits_total"),
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

/** What became of batches since the start. */
export interface SettlementWatched {
  mined: number;
  failed: number;
  /** When one was mined last, Unix ms; 0: none was. */
  lastMinedAt: number;
  behindSeconds: number;
  /** What the operator's mined transactions cost, wei. */
  gasSpent: bigint;
}

/** What endpoints of the chain were asked since the start. */
export interface RpcWatched {
  requests(): readonly { method: string; outcome: "answered" | "failed"; count: number }[];
  readonly seconds: Distribution;
}

export interface LedgerWatched {
  /** Of its journal. */
  readonly entries: number;
  /** How long the disk took for them, seconds. */
  readonly syncs: Distribution;
  readonly archiveBytes: number;
  /** Its journal is not indexed and archived. */
  readonly isFailing: boolean;
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
  settlement(): SettlementWatched;
  /** Null: it is in a database, and its journal with it. */
  ledger(): LedgerWatched | null;
  rpc: RpcWatched;
  chainAgeMs(): number;
  endpoints(): readonly { state: "up" | "resting"; disagreements: number }[];
  headAgeMs(): number;
  /** How payers' views came about, and reads of the chain that were refused, by whose limit. */
  views(): { read: number; advanced: number; refused: ReadonlyMap<string, number> };
  sandboxes(): { open: number; most: number; spare: number };
  servers(): readonly WatchedServer[];
  runsBusy(): number;
  slots(): number;
  callsQueued(): number;
  callsWaiting(): number;
  cacheBytes(): number;
  /** Denials in force, by kind. */
  denials(): Readonly<Record<string, number>>;
  isReady(): boolean;
  /** What a person must look at. */
  alarms(): readonly string[];
  ownersLow(): number;
  machine(): MachineRoom;
  /** What owners have kept here. */
  kept(): { bytes: number; roots: number };
  /** Absent: the provider is one machine. */
  readonly fleet?: FleetWatched;
}

/** All metrics, read when they are asked for. */
export function providerMetrics(counters: Counters, watched: Watched): Metric[] {
  return [
    numberOf("khachapuri_ready", () => Number(watched.isReady())),
    numberOf("khachapuri_alarms", () => watched.alarms().length),
    ...counters.requests.metrics,
    counters.denied.metric,
    counters.runs.metric,
    counters.credits.metric,
    ...counters.usage.metrics,
    ...counters.egress.metrics,
    ...counters.servers.metrics,
    ...counters.sandboxes.metrics,
    ...counters.slots.metrics,
    ...counters.content.metrics,
    ...counters.wire.metrics,
    ...moneyMetrics(watched),
    ...exactMetrics(watched),
    ...operatorMetrics(watched),
    ...settlementMetrics(watched),
    ...chainMetrics(watched),
    ...callMetrics(watched),
    ...instanceMetrics(() => watched.servers()),
    ...machineMetrics(watched),
    ...(watched.fleet ? counters.fleet.metrics(watched.fleet) : []),
  ];
}

function machineMetrics({ machine }: Watched): Metric[] {
  return [
    numberOf("khachapuri_state_disk_free_bytes", () => machine().diskFreeBytes),
    numberOf("khachapuri_state_disk_bytes", () => machine().diskBytes),
    numberOf("khachapuri_memory_available_bytes", () => machine().memoryAvailableBytes),
  ];
}

function callMetrics(watched: Watched): Metric[] {
  return [
    numberOf("khachapuri_sandboxes_open", () => watched.sandboxes().open),
    numberOf("khachapuri_sandboxes_max", () => watched.sandboxes().most),
    numberOf("khachapuri_sandboxes_spare", () => watched.sandboxes().spare),
    numberOf("khachapuri_runs_busy", () => watched.runsBusy()),
    numberOf("khachapuri_slots", () => watched.slots()),
    numberOf("khachapuri_calls_queued", () => watched.callsQueued()),
    numberOf("khachapuri_calls_waiting", () => watched.callsWaiting()),
    numberOf("khachapuri_owners_low", () => watched.ownersLow()),
    numberOf("khachapuri_cache_bytes", () => watched.cacheBytes()),
    numberOf("khachapuri_kept_bytes", () => watched.kept().bytes),
    numberOf("khachapuri_kept_roots", () => watched.kept().roots),
    samplesOf("khachapuri_denials", () => {
      return Object.entries(watched.denials()).map(([kind, value]) => ({
        labels: { kind },
        value,
      }));
    }),
  ];
}

function moneyMetrics(watched: Watched): Metric[] {
  return [
    numberOf("khachapuri_unsettled_usdc_base_units", () => Number(watched.unsettledAmount())),
    numberOf("khachapuri_held_usdc_base_units", () => Number(watched.heldAmount())),
    numberOf("khachapuri_unsettled_lanes", async () => (await watched.lanes()).outstanding),
    numberOf("khachapuri_refused_lanes", async () => (await watched.lanes()).refused),
    numberOf(
      "khachapuri_refused_usdc_base_units",
      async () => Number((await watched.lanes()).refusedAmount),
    ),
    numberOf("khachapuri_charged_elsewhere_credits", () => watched.chargedElsewhere()),
    ...journalMetrics(watched),
  ];
}

function journalMetrics({ ledger }: Watched): Metric[] {
  const samples = (read: (ledger: LedgerWatched) => readonly Sample[]) => () => {
    const known = ledger();
    return known === null ? [] : read(known);
  };
  const number = (read: (ledger: LedgerWatched) => number) =>
    samples((known) => [{ value: read(known) }]);
  return [
    samplesOf("khachapuri_ledger_entries", number(({ entries }) => entries)),
    samplesOf("khachapuri_ledger_archive_bytes", number(({ archiveBytes }) => archiveBytes)),
    samplesOf("khachapuri_ledger_upkeep_failing", number(({ isFailing }) => Number(isFailing))),
    samplesOf("khachapuri_ledger_sync_seconds", samples(({ syncs }) => distributed(syncs))),
  ];
}

function exactMetrics({ exact }: Watched): Metric[] {
  return [
    numberOf("khachapuri_exact_pending", () => exact().sent),
    numberOf("khachapuri_exact_oldest_seconds", () => exact().oldestMs / 1000),
    numberOf("khachapuri_exact_unanswered", () => exact().unanswered),
  ];
}

function settlementMetrics({ settlement }: Watched): Metric[] {
  return [
    samplesOf("khachapuri_settlement_batches_total", () => {
      const { mined, failed } = settlement();
      return [
        { labels: { outcome: "mined" }, value: mined },
        { labels: { outcome: "failed" }, value: failed },
      ];
    }),
    numberOf(
      "khachapuri_settlement_last_success_timestamp_seconds",
      () => settlement().lastMinedAt / 1_000,
    ),
    numberOf("khachapuri_settlement_behind_seconds", () => settlement().behindSeconds),
    numberOf("khachapuri_operator_gas_spent_wei_total", () => Number(settlement().gasSpent)),
  ];
}

function chainMetrics(watched: Watched): Metric[] {
  const { endpoints, rpc } = watched;
  return [
    numberOf("khachapuri_chain_age_seconds", () => watched.chainAgeMs() / 1000),
    numberOf("khachapuri_chain_head_age_seconds", () => watched.headAgeMs() / 1000),
    numberOf("khachapuri_rpc_endpoints", () => endpoints().length),
    numberOf(
      "khachapuri_rpc_endpoints_up",
      () => endpoints().filter(({ state }) => state === "up").length,
    ),
    numberOf(
      "khachapuri_rpc_disagreements",
      () => endpoints().reduce((sum, { disagreements }) => sum + disagreements, 0),
    ),
    samplesOf("khachapuri_rpc_requests_total", () => {
      return rpc.requests().map(({ count, ...labels }): Sample => ({ labels, value: count }));
    }),
    samplesOf("khachapuri_rpc_request_seconds", () => distributed(rpc.seconds)),
    samplesOf("khachapuri_payer_views_total", () => {
      const { read, advanced } = watched.views();
      return [
        { labels: { by: "read" }, value: read },
        { labels: { by: "event" }, value: advanced },
      ];
    }),
    samplesOf("khachapuri_refused_reads_total", () => {
      const { refused } = watched.views();
      return [...refused].map(([limit, value]) => ({ labels: { limit }, value }));
    }),
  ];
}

/** What was not read yet is NaN. */
function operatorMetrics({ operator, outboxPending }: Watched): Metric[] {
  const weiOf = (wei: bigint | null) => wei === null ? NaN : Number(wei);
  return [
    numberOf("khachapuri_outbox_pending", () => outboxPending()),
    numberOf("khachapuri_outbox_oldest_seconds", () => operator().oldestMs / 1000),
    numberOf("khachapuri_operator_balance_wei", () => weiOf(operator().balance)),
    numberOf("khachapuri_gas_price_wei", () => weiOf(operator().gasPrice)),
    numberOf("khachapuri_operator_out_of_gas", () => Number(operator().lacksCoin)),
    numberOf("khachapuri_operator_fee_raises_total", () => operator().raises),
  ];
}
