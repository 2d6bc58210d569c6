/**
 * All that a person sees of a fleet, asked of its database: no node has to be up for it. Single
 * statements as the nodes' own, on connections as the nodes have.
 */
import type { DatabaseAddress } from "../../postgres_address.ts";
import { openDatabase } from "./database.ts";
import type { Database } from "./database.ts";
import { schemaVersion } from "./migrations.ts";
import { fromNodeFacts, type ToldState } from "./node_facts.ts";
import {
  areConnectionsShared,
  type ClockSeen,
  seeClock,
  seeServer,
  type ServerSeen,
} from "./server_survey.ts";
import type { NodeCard, NodeFacts } from "./sessions.ts";

export interface NodeSeen extends NodeCard {
  readonly session: number;
  readonly state: ToldState;
  /** Since it was heard of last. */
  readonly beatAgeMs: number;
  /** Its clock is ahead of the database's by so much, or up to a second more; null: unknown. */
  readonly clockAheadMs: number | null;
  /** What its rows hold, for runs under way and those to come, and on how many lanes. */
  readonly heldCredits: number;
  readonly heldLanes: number;
}

/** Of a session that is over, with something held still. */
export interface LeftHolds {
  readonly session: number;
  readonly node: string;
  readonly goneMs: number;
  readonly credits: number;
}

export interface LeaderSeen {
  readonly term: number;
  /** Null: nobody leads. */
  readonly session: number | null;
  /** Since when nobody does, ms; 0: somebody does; null: nobody ever did. */
  readonly leaderlessMs: number | null;
}

/** What its tables say. */
export interface FleetSeen {
  readonly nodes: readonly NodeSeen[];
  readonly left: readonly LeftHolds[];
  readonly leader: LeaderSeen;
  /** Transactions that are signed and not mined, by nonce. */
  readonly outbox: number;
  /** What nodes wish that the leader sends. */
  readonly wishes: number;
  readonly dueLanes: number;
  /** USDC base units. */
  readonly dueUsdc: bigint;
  /** The last change of what nodes share. */
  readonly shared: number;
  /** About. */
  readonly journalRows: number;
  readonly journalBytes: number;
  /** Of rows that change all the time: those that are dead, for one that lives. */
  readonly deadShare: number;
}

export interface Survey {
  readonly server: ServerSeen;
  readonly clock: ClockSeen;
  /** A pooler lends the same connection to several. */
  readonly isShared: boolean;
  /** Its steps taken. */
  readonly schema: number;
  /** Null: no schema of ours is there, or not all of it yet. */
  readonly fleet: FleetSeen | null;
}

/** The step that made the last of the tables asked for. */
const SCHEMA_MIN = 3;

const FLEET = `
  WITH held AS (
    SELECT session, sum(credits)::float8 AS credits, count(*) FILTER (WHERE credits > 0) AS lanes
    FROM holds GROUP BY session
  ), told AS (
    SELECT s.*, coalesce(h.credits, 0) AS credits, coalesce(h.lanes, 0) AS lanes,
      extract(epoch FROM until - interval '10 seconds') * 1000 AS beat_ms,
      extract(epoch FROM now() - until) * 1000 AS over_ms
    FROM sessions s LEFT JOIN held h ON h.session = s.id
    WHERE (NOT reaped AND until >= now()) OR h.credits > 0
  )
  SELECT jsonb_build_object(
    'nodes', (SELECT coalesce(jsonb_agg(jsonb_build_object('session', id, 'node', node,
        'url', url, 'version', version, 'facts', facts, 'beatMs', beat_ms,
        'beatAgeMs', over_ms + 10000, 'heldCredits', credits, 'heldLanes', lanes)
        ORDER BY node, id), '[]')
      FROM told WHERE NOT reaped AND over_ms <= 0),
    'left', (SELECT coalesce(jsonb_agg(jsonb_build_object('session', id, 'node', node,
        'goneMs', over_ms, 'credits', credits) ORDER BY id), '[]')
      FROM told WHERE reaped OR over_ms > 0),
    'leader', (SELECT jsonb_build_object('term', term,
        'session', CASE WHEN until >= now() THEN session END,
        'leaderlessMs', CASE WHEN until >= now() THEN 0
          WHEN isfinite(until) THEN extract(epoch FROM now() - until) * 1000 END)
      FROM leader),
    'outbox', (SELECT count(DISTINCT nonce) FROM outbox),
    'wishes', (SELECT count(*) FROM wishes WHERE result IS NULL),
    'dueLanes', (SELECT count(*) FROM lanes WHERE due),
    'dueUsdc', (SELECT coalesce(sum(owed), 0)::text FROM lanes WHERE due),
    'shared', (SELECT seq FROM shared_head),
    'journalRows', (SELECT GREATEST(0, reltuples) FROM pg_class WHERE oid = 'journal'::regclass),
    'journalBytes', pg_total_relation_size('journal'),
    'deadShare', (SELECT coalesce(max(n_dead_tup::float8 / GREATEST(1000, n_live_tup)), 0)
      FROM pg_stat_user_tables
      WHERE relid IN ('accounts'::regclass, 'lanes'::regclass, 'holds'::regclass))
  ) AS seen
`;

type NodeRow = Omit<NodeSeen, "state" | "clockAheadMs"> & { facts: NodeFacts; beatMs: number };
type FleetRow = Omit<FleetSeen, "nodes" | "dueUsdc"> & { nodes: NodeRow[]; dueUsdc: string };

/**
 * Asks on connections of its own.
 * @param passfile of PGPASSFILE; asked where the address names no file
 * @throws KhachapuriError `database_unavailable`, and those of `openDatabase`
 */
export async function survey(
  address: DatabaseAddress,
  passfile: string | undefined,
): Promise<Survey> {
  const open = () => openDatabase(address, { connections: 1, passfile });
  const one = await open();
  try {
    const other = await open();
    try {
      return await surveyBy(one, other);
    } finally {
      await other.close();
    }
  } finally {
    await one.close();
  }
}

async function surveyBy(one: Database, other: Database): Promise<Survey> {
  const server = await seeServer(one);
  const clock = await seeClock(one);
  const isShared = await areConnectionsShared(one, other);
  const schema = await schemaVersion(one);
  // Without the schema's name in the path nothing of it is found.
  const isFound = schema >= SCHEMA_MIN && !server.ignored.includes("search_path");
  return { server, clock, isShared, schema, fleet: isFound ? await seeFleet(one) : null };
}

/** @throws KhachapuriError `database_unavailable` */
export async function seeFleet(database: Database): Promise<FleetSeen> {
  const [row] = await database.ask<{ seen: FleetRow }>(FLEET);
  const { nodes, dueUsdc, ...seen } = row!.seen;
  return { ...seen, dueUsdc: BigInt(dueUsdc), nodes: nodes.map(nodeOf) };
}

function nodeOf({ facts, beatMs, ...seen }: NodeRow): NodeSeen {
  const state = fromNodeFacts(facts);
  return { ...seen, state, clockAheadMs: state.clockMs === null ? null : state.clockMs - beatMs };
}
