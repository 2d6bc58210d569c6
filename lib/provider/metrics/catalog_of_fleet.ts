/** Metrics of a node of a fleet: its database, its session, who leads, and what stands by. */
import type { MetricFacts } from "./metrics.ts";

/** Of one statement, seconds. */
const STATEMENT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

export const FLEET_METRICS = {
  khachapuri_fleet_database_up: {
    type: "gauge",
    help: "Whether the fleet's database answered this node when it was last asked.",
    advice: "At 0 paid calls are refused, free; `khachapuri fleet` says what is wrong.",
  },
  khachapuri_fleet_database_seconds: {
    type: "histogram",
    bounds: STATEMENT_SECONDS,
    help: "How long statements took, with what had to be sent again.",
    labels: { statement: "`turn` (charges and holds), `beat`, `lead` or `other`" },
    advice: "A call waits for a turn at its start or end, and that for the standby's disk.",
  },
  khachapuri_fleet_database_failures_total: {
    type: "counter",
    help: "Statements that the database did not answer in time, or at all.",
  },
  khachapuri_fleet_database_bytes: {
    type: "gauge",
    help: "The size of the fleet's database.",
  },
  khachapuri_fleet_database_connections: {
    type: "gauge",
    help: "Connections to its server, everybody's.",
  },
  khachapuri_fleet_database_connections_max: {
    type: "gauge",
    help: "How many it takes.",
    advice: "A node has four, and a few more while it is replaced.",
  },
  khachapuri_fleet_synchronous: {
    type: "gauge",
    help: "Whether commits wait for a standby: 1 when they do.",
    advice: "At 0 a failover may lose charges and receipts.",
  },
  khachapuri_fleet_standbys: {
    type: "gauge",
    help: "Connected standbys, by whether commits wait for them.",
    labels: {
      sync: "`sync`, `quorum`, `potential`, `async`, or `hidden` to a role without pg_monitor",
    },
    advice: "With none, and commits that wait for one, there are no paid calls.",
  },
  khachapuri_fleet_standby_lag_bytes: {
    type: "gauge",
    help: "How far the standby that is farthest behind is; NaN: our role may not see it.",
  },
  khachapuri_fleet_beat_age_seconds: {
    type: "gauge",
    help: "Since this node's session was last prolonged; NaN: never yet.",
    advice: "After ten seconds others give back what it holds; its calls end without a charge.",
  },
  khachapuri_fleet_sessions_lost_total: {
    type: "counter",
    help: "Sessions of this node that others gave up.",
    advice: "It stood still or could not reach the database for ten seconds: its log has it.",
  },
  khachapuri_fleet_held_ahead_credits: {
    type: "gauge",
    help: "Credits that this node holds for calls that are yet to come.",
  },
  khachapuri_fleet_held_ahead_usdc_base_units: {
    type: "gauge",
    help: "What these may cost.",
  },
  khachapuri_fleet_changes_behind: {
    type: "gauge",
    help:
      "Changes of deployments, stops and the offer that another node has read and this has not.",
    advice: "Does it not fall, this node may serve what was stopped: have it start anew.",
  },
  khachapuri_fleet_leads: {
    type: "gauge",
    help: "Whether this node leads: it alone signs and settles.",
  },
  khachapuri_fleet_term: {
    type: "gauge",
    help: "The term in which it leads; 0: it does not.",
  },
  khachapuri_fleet_leader_known: {
    type: "gauge",
    help: "Whether somebody leads, as far as this node knows.",
    advice: "At 0 for a minute nothing is settled: the nodes' logs say why none begins.",
  },
  khachapuri_fleet_nodes: {
    type: "gauge",
    help: "Nodes that live, as this one saw with its last beat.",
  },
  khachapuri_fleet_releases: {
    type: "gauge",
    help: "Different releases among them.",
  },
} as const satisfies Record<string, MetricFacts>;
