/** Metrics of money: what is due, what settles it, and the chain that it hangs by. */
import type { MetricFacts } from "./metrics.ts";

/** Of one write of the disk, seconds. */
const SYNC_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
/** Of one answer of an endpoint, seconds. */
const RPC_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export const MONEY_METRICS = {
  khachapuri_unsettled_usdc_base_units: {
    type: "gauge",
    help: "What runs have used and the escrow has neither paid nor refused.",
    advice: "Lost with the machine's disk. Where it only grows, see what settlement says.",
  },
  khachapuri_held_usdc_base_units: {
    type: "gauge",
    help: "What runs that have not ended, or are about to come, may still cost.",
  },
  khachapuri_unsettled_lanes: {
    type: "gauge",
    help: "Lanes with credits that the escrow has not taken.",
  },
  khachapuri_refused_lanes: {
    type: "gauge",
    help: "Lanes that the escrow refused to settle.",
    advice: "`khachapuri ledger` tells which and why. They are due again once they heal.",
  },
  khachapuri_refused_usdc_base_units: {
    type: "gauge",
    help: "What is written off on them.",
  },
  khachapuri_charged_elsewhere_credits: {
    type: "gauge",
    help: "Credits that the escrow took for this provider and that are not in its book.",
    advice: "Above 0: another machine serves under your address, or a key was stolen.",
  },
  khachapuri_outbox_pending: {
    type: "gauge",
    help: "Operator transactions that are not mined yet.",
  },
  khachapuri_outbox_oldest_seconds: {
    type: "gauge",
    help: "Since the oldest operator transaction that is not mined yet was signed.",
    advice: "Above some minutes: `khachapuri operator outbox` says what it waits for.",
  },
  khachapuri_settlement_batches_total: {
    type: "counter",
    help: "Batches that settled what is due, by whether they were mined as meant.",
    labels: { outcome: "`mined` or `failed`" },
    advice: "The log tells why each failed.",
  },
  khachapuri_settlement_last_success_timestamp_seconds: {
    type: "gauge",
    help: "When a batch was mined last; 0: none was since the start.",
  },
  khachapuri_settlement_behind_seconds: {
    type: "gauge",
    help: "How far settlement is behind: what is due waits longer by so much than it should.",
    advice: "Above the window in which permits can be settled, calls are refused.",
  },
  khachapuri_operator_gas_spent_wei_total: {
    type: "counter",
    help: "What mined transactions of the operator cost, since the start.",
  },
  khachapuri_operator_balance_wei: {
    type: "gauge",
    help: "The operator's gas coin as it was read last; NaN: it was not.",
    advice: "Send the operator coin before it runs out: without, nothing is settled.",
  },
  khachapuri_gas_price_wei: {
    type: "gauge",
    help: "What a unit of gas cost when that was asked last; NaN: it was not.",
  },
  khachapuri_operator_out_of_gas: {
    type: "gauge",
    help: "Whether the operator can pay for a transaction that waits: 1 when it cannot.",
    advice: "Send the operator coin now.",
  },
  khachapuri_operator_fee_raises_total: {
    type: "counter",
    help: "Operator transactions signed again for a higher price of gas.",
  },
  khachapuri_exact_pending: {
    type: "gauge",
    help: "Payments by x402's exact that were sent and are not known to have come.",
  },
  khachapuri_exact_oldest_seconds: {
    type: "gauge",
    help: "Since the oldest of them was sent.",
    advice: "Callers wait for it: see the outbox and the endpoints.",
  },
  khachapuri_exact_unanswered: {
    type: "gauge",
    help:
      "Payments that came and whose request has no answer yet: sent again it gets one for nothing.",
    advice:
      "These callers paid for nothing so far. Where it grows, look for what fails their runs.",
  },
  khachapuri_ledger_entries: {
    type: "gauge",
    help: "Entries of the ledger's journal.",
  },
  khachapuri_ledger_archive_bytes: {
    type: "gauge",
    help: "What the journal's archive takes of the disk.",
    advice: "`provider.ledger` says how much it may, and what goes then.",
  },
  khachapuri_ledger_upkeep_failing: {
    type: "gauge",
    help:
      "Whether the journal could not be indexed and archived when it was tried last: 1, else 0.",
    advice: 'The log says why, with "the journal was not tended": most often the disk is full.',
  },
  khachapuri_ledger_sync_seconds: {
    type: "histogram",
    bounds: SYNC_SECONDS,
    help: "How long the disk took to write the ledger.",
    advice: "A slow disk slows every paid call.",
  },
  khachapuri_chain_age_seconds: {
    type: "gauge",
    help: "Since the chain was last heard of.",
    advice: "Calls go on for what was known, up to `settlement.offlineAmount`.",
  },
  khachapuri_chain_head_age_seconds: {
    type: "gauge",
    help: "Since the chain's newest block was made.",
    advice: "The endpoint stands still: name another one under `rpc`.",
  },
  khachapuri_rpc_endpoints: {
    type: "gauge",
    help: "JSON-RPC endpoints of the chain that are configured.",
  },
  khachapuri_rpc_endpoints_up: {
    type: "gauge",
    help: "JSON-RPC endpoints of the chain that are not resting after a failure.",
  },
  khachapuri_rpc_disagreements: {
    type: "gauge",
    help: "How often an endpoint was contradicted by another.",
    advice: "`khachapuri doctor` names it. One that lies is to be struck from `rpc`.",
  },
  khachapuri_rpc_requests_total: {
    type: "counter",
    help: "Requests to JSON-RPC endpoints, by method and outcome.",
    labels: { method: "an `eth_` method, `batch` or `other`", outcome: "`answered` or `failed`" },
    advice: "A hosted node bills or limits by it.",
  },
  khachapuri_rpc_request_seconds: {
    type: "histogram",
    bounds: RPC_SECONDS,
    help: "How long JSON-RPC endpoints took to answer or fail.",
  },
  khachapuri_payer_views_total: {
    type: "counter",
    help: "Views of payers by whether they were read from the chain or advanced by its events.",
    labels: { by: "`read` or `event`" },
  },
  khachapuri_refused_reads_total: {
    type: "counter",
    help: "Calls refused because the chain would have been read too often, by whose limit.",
    labels: { limit: "whose share was used up: a payer's, a network's, everybody's" },
  },
  khachapuri_owners_low: {
    type: "gauge",
    help: "Owners whose last call left them with few credits.",
  },
} as const satisfies Record<string, MetricFacts>;
