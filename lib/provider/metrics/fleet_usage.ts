/** A node of a fleet for `/metrics`: how its database answers, and what the fleet is for it. */
import type { Database } from "../fleet/database.ts";
import type { Leader, Term } from "../fleet/leadership.ts";
import { fromNodeFacts, type NodeState } from "../fleet/node_facts.ts";
import { seeServer, type ServerSeen, type StandbySeen } from "../fleet/server_survey.ts";
import type { LiveNode } from "../fleet/sessions.ts";
import { counterOf, histogramOf, numberOf, samplesOf } from "./catalog.ts";
import type { Metric, Sample } from "./metrics.ts";

/** Where the gauges are read when somebody asks. */
export interface FleetWatched {
  /** Not the one that counts: what is asked for metrics is not counted among them. */
  readonly database: Database;
  /** As of the last beat. */
  nodes(): readonly LiveNode[];
  leader(): Leader;
  /** In which this node leads; null: it does not. */
  term(): Term | null;
  /** What it tells the others. */
  state(): Pick<NodeState, "aheadCredits" | "aheadUsdc" | "seen">;
}

/** However many ask for metrics, the server is asked for its own once in so long, ms. */
const SERVER_MS = 10_000;
/** Prometheus waits ten seconds for all metrics by default, ms. */
const SERVER_PATIENCE_MS = 1_000;

/** What a statement is for follows from the function that it calls. */
const KINDS = [
  ["turn", /\bturn_\d/],
  ["beat", /\bbeat_\d/],
  ["lead", /\b(?:lead|leader)_\d/],
] as const;
const BEGINS = /\bbegin_session_\d/;

const SYNCS = ["sync", "quorum", "potential", "async", "hidden"] as const;

export class FleetUsage {
  readonly #seconds = histogramOf("khachapuri_fleet_database_seconds");
  readonly #failures = counterOf("khachapuri_fleet_database_failures_total");
  readonly #now: () => number;
  #sessions = 0;
  #beatAt: number | null = null;
  #server: { readonly at: number; readonly seen: Promise<ServerSeen | null> } | null = null;

  /** @param now ms, monotonic */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The same database, with what it is asked counted. */
  watch(database: Database): Database {
    const { name } = database;
    return {
      name,
      ask: (statement, parameters, options) =>
        this.#count(statement, () => database.ask(statement, parameters, options)),
      script: (statements) => database.script(statements),
      trouble: () => database.trouble(),
      close: () => database.close(),
    };
  }

  metrics(watched: FleetWatched): Metric[] {
    return [
      numberOf("khachapuri_fleet_database_up", () => Number(watched.database.trouble() === null)),
      this.#seconds.metric,
      this.#failures.metric,
      ...this.#serverMetrics(watched.database),
      numberOf("khachapuri_fleet_beat_age_seconds", () => {
        return this.#beatAt === null ? NaN : (this.#now() - this.#beatAt) / 1_000;
      }),
      numberOf("khachapuri_fleet_sessions_lost_total", () => Math.max(0, this.#sessions - 1)),
      ...fleetMetrics(watched),
    ];
  }

  async #count<Row>(statement: string, ask: () => Promise<Row[]>): Promise<Row[]> {
    const began = this.#now();
    const kind = KINDS.find(([, pattern]) => pattern.test(statement))?.[0] ?? "other";
    try {
      const rows = await ask();
      if (BEGINS.test(statement)) this.#sessions += 1;
      if (kind === "beat" || BEGINS.test(statement)) this.#beatAt = this.#now();
      return rows;
    } catch (error) {
      this.#failures.add({});
      throw error;
    } finally {
      this.#seconds.note({ statement: kind }, (this.#now() - began) / 1_000);
    }
  }

  /** Absent while the database is away. */
  #serverMetrics(database: Database): Metric[] {
    const samplesFrom = (read: (seen: ServerSeen) => readonly Sample[]) => async () => {
      const seen = await this.#seen(database);
      return seen === null ? [] : read(seen);
    };
    const numberFrom = (read: (seen: ServerSeen) => number) =>
      samplesFrom((seen) => [{ value: read(seen) }]);
    return [
      samplesOf("khachapuri_fleet_database_bytes", numberFrom((seen) => seen.databaseBytes)),
      samplesOf("khachapuri_fleet_database_connections", numberFrom((seen) => seen.connections)),
      samplesOf(
        "khachapuri_fleet_database_connections_max",
        numberFrom((seen) => seen.connectionsMost),
      ),
      samplesOf("khachapuri_fleet_synchronous", numberFrom((seen) => Number(isSynchronous(seen)))),
      samplesOf(
        "khachapuri_fleet_standbys",
        samplesFrom(({ standbys }) => standbySamples(standbys)),
      ),
      samplesOf(
        "khachapuri_fleet_standby_lag_bytes",
        numberFrom(({ standbys }) => lagOf(standbys)),
      ),
    ];
  }

  #seen(database: Database): Promise<ServerSeen | null> {
    const now = this.#now();
    if (this.#server === null || now - this.#server.at >= SERVER_MS) {
      const seen = seeServer(database, SERVER_PATIENCE_MS).catch(() => null);
      this.#server = { at: now, seen };
    }
    return this.#server.seen;
  }
}

function isSynchronous({ synchronousNames, synchronousCommit }: ServerSeen): boolean {
  return synchronousNames !== "" && !/^(?:off|local)$/.test(synchronousCommit);
}

/** Each of the words with a number, so that none is missed. */
function standbySamples(standbys: readonly StandbySeen[]): Sample[] {
  return SYNCS.map((sync) => ({
    labels: { sync },
    value: standbys.filter((standby) => (standby.sync ?? "hidden") === sync).length,
  }));
}

function lagOf(standbys: readonly StandbySeen[]): number {
  return standbys.reduce((most, { lagBytes }) => Math.max(most, lagBytes ?? NaN), 0);
}

function fleetMetrics({ nodes, leader, term, state }: FleetWatched): Metric[] {
  return [
    numberOf("khachapuri_fleet_held_ahead_credits", () => state().aheadCredits),
    numberOf("khachapuri_fleet_held_ahead_usdc_base_units", () => Number(state().aheadUsdc)),
    numberOf("khachapuri_fleet_changes_behind", () => {
      const { seen } = state();
      return Math.max(seen, ...nodes().map(({ facts }) => fromNodeFacts(facts).seen ?? 0)) - seen;
    }),
    numberOf("khachapuri_fleet_leads", () => Number(term() !== null)),
    numberOf("khachapuri_fleet_term", () => term()?.term ?? 0),
    numberOf("khachapuri_fleet_leader_known", () => Number(leader().session !== null)),
    // One that started anew has two sessions for some seconds.
    numberOf("khachapuri_fleet_nodes", () => new Set(nodes().map(({ node }) => node)).size),
    numberOf(
      "khachapuri_fleet_releases",
      () => new Set(nodes().map(({ version }) => version)).size,
    ),
  ];
}
