/**
 * How a fleet's PostgreSQL is, as one of our own connections sees it: what it promises of a commit,
 * which limits it sets us, how its clock goes, and whether something stands between. Nothing is
 * changed.
 */
import type { Database } from "./database.ts";

export interface StandbySeen {
  readonly name: string;
  /** "streaming", or on its way there; null: our role may not see it, nor what follows. */
  readonly state: string | null;
  /** Commits wait for "sync" and "quorum". */
  readonly sync: "sync" | "quorum" | "potential" | "async" | null;
  /** Of what the primary has written it has not applied so much; ms: null while nothing is. */
  readonly lagBytes: number | null;
  readonly lagMs: number | null;
}

export interface ServerSeen {
  readonly version: string;
  readonly isPrimary: boolean;
  readonly databaseBytes: number;
  readonly connections: number;
  readonly connectionsMost: number;
  /** Whether commits are on its disk before they are told. */
  readonly fsync: boolean;
  readonly autovacuum: boolean;
  /** Whose word commits wait for; "": nobody's. */
  readonly synchronousNames: string;
  readonly synchronousCommit: string;
  readonly standbys: readonly StandbySeen[];
  /** What it ends our statements and connections after, "0" where it does not. */
  readonly timeouts: Readonly<Record<string, string>>;
  /** Parameters that we connect with and that did not come to it: something has left them out. */
  readonly ignored: readonly string[];
}

/** Whether clocks agree: the database's is ahead of this machine's by so much. */
export interface ClockSeen {
  readonly aheadMs: number;
  /** The truth is no farther from it than half of this. */
  readonly roundTripMs: number;
}

const SERVER = `
  SELECT jsonb_build_object(
    'version', split_part(current_setting('server_version'), ' ', 1),
    'isPrimary', NOT pg_is_in_recovery(),
    'databaseBytes', pg_database_size(current_database()),
    'connections', (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL),
    'connectionsMost', current_setting('max_connections')::int4,
    'fsync', current_setting('fsync')::boolean,
    'autovacuum', current_setting('autovacuum')::boolean,
    'synchronousNames', current_setting('synchronous_standby_names'),
    'synchronousCommit', current_setting('synchronous_commit'),
    'standbys', coalesce((
      SELECT jsonb_agg(jsonb_build_object('name', application_name, 'state', state,
        'sync', sync_state, 'lagMs', round(extract(epoch FROM replay_lag) * 1000),
        'lagBytes', CASE WHEN NOT pg_is_in_recovery()
          THEN GREATEST(0, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) END)
        ORDER BY sync_priority, application_name)
      FROM pg_stat_replication), '[]'),
    'timeouts', (
      SELECT jsonb_object_agg(name, current_setting(name, true)) FROM unnest(ARRAY[
        'statement_timeout', 'lock_timeout', 'transaction_timeout',
        'idle_in_transaction_session_timeout', 'idle_session_timeout']) AS name
      WHERE current_setting(name, true) IS NOT NULL),
    'ignored', (
      SELECT coalesce(jsonb_agg(name ORDER BY name), '[]') FROM (VALUES
        ('search_path', 'khachapuri'), ('jit', 'off'),
        ('plan_cache_mode', 'force_generic_plan')) AS ours (name, value)
      WHERE current_setting(name) <> value)
  ) AS seen
`;

const CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS clock";
/** The quickest answer tells the most. */
const CLOCK_LOOKS = 3;
/** Each connection says so often who serves it. */
const POOL_LOOKS = 3;

/** @throws KhachapuriError `database_unavailable` */
export async function seeServer(database: Database, patienceMs?: number): Promise<ServerSeen> {
  const options = patienceMs === undefined ? {} : { patienceMs };
  const [row] = await database.ask<{ seen: ServerSeen }>(SERVER, [], options);
  return row!.seen;
}

/** @throws KhachapuriError `database_unavailable` */
export async function seeClock(
  database: Database,
  now: () => number = Date.now,
): Promise<ClockSeen> {
  const looks: ClockSeen[] = [];
  for (let look = 0; look < CLOCK_LOOKS; look++) {
    const asked = now();
    const [row] = await database.ask<{ clock: number }>(CLOCK);
    const answered = now();
    const roundTripMs = answered - asked;
    looks.push({ aheadMs: row!.clock - (asked + roundTripMs / 2), roundTripMs });
  }
  return looks.reduce((best, look) => look.roundTripMs < best.roundTripMs ? look : best);
}

/**
 * Whether a pooler lends the same of its connections to several clients, statement by statement.
 * @param one of one connection
 * @param other another, of one connection
 * @throws KhachapuriError `database_unavailable`
 */
export async function areConnectionsShared(one: Database, other: Database): Promise<boolean> {
  const served = [new Set<number>(), new Set<number>()] as const;
  for (let look = 0; look < POOL_LOOKS; look++) {
    served[0].add(await processOf(one));
    served[1].add(await processOf(other));
  }
  return served[0].size > 1 || served[1].size > 1 || !served[0].isDisjointFrom(served[1]);
}

async function processOf(database: Database): Promise<number> {
  const [row] = await database.ask<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  return row!.pid;
}
