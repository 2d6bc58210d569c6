/** What a fleet's PostgreSQL should be like, and what to do where it is not. */
import { KhachapuriError } from "../../errors.ts";
import { MIGRATIONS, SCHEMA_VERSION } from "../fleet/migrations.ts";
import type { StandbySeen } from "../fleet/server_survey.ts";
import type { Survey } from "../fleet/survey.ts";
import type { Look } from "./findings.ts";

/** A node has five connections; more than this part of all in use, and the next one gets none. */
const CONNECTIONS_SHARE = 0.8;
/** So many dead rows for one that lives, and reading passes more of them than it finds. */
const DEAD_SHARE = 3;
/** A standby that is behind by so much would be waited for at a failover, ms. */
const LAG_MS = 5_000;

const NO_STANDBY_HINTS = [
  "a second server, synchronous: synchronous_standby_names = 'ANY 1 (*)' in postgresql.conf",
  "Patroni: synchronous_mode: true and synchronous_mode_strict: true",
];

export function judgeServer({ server, clock, fleet }: Survey, name: string): Look {
  const { version, databaseBytes, connections, connectionsMost: most } = server;
  const hints: string[] = [];
  if (connections > most * CONNECTIONS_SHARE) {
    hints.push("soon it takes no more connections: raise max_connections, or find who has them");
  }
  if (!server.autovacuum) hints.push("autovacuum = on: without, its tables only grow");
  if ((fleet?.deadShare ?? 0) > DEAD_SHARE) {
    hints.push("its tables hold mostly dead rows: find the transaction that stays open, or VACUUM");
  }
  const detail = `PostgreSQL ${version} at ${name}, ${megabytes(databaseBytes)}, ` +
    `${connections} of ${most} connections, answers in ${Math.round(clock.roundTripMs)} ms`;
  return { detail, hints };
}

/** @throws KhachapuriError `invalid_config` for one that lacks something */
export function judgeSchema({ schema }: Survey): Look {
  if (schema === SCHEMA_VERSION) return { detail: `step ${schema}, as this release has it` };
  if (schema > SCHEMA_VERSION) {
    return {
      detail: `step ${schema}, of a later release; this one needs ${SCHEMA_VERSION}`,
      advice: ["it serves all the same; upgrade this machine, too"],
    };
  }
  const missing = MIGRATIONS.slice(schema).map(({ name }) => name).join(", ");
  throw unfit(`at step ${schema} of ${SCHEMA_VERSION}: without ${missing}`, [
    "khachapuri ledger migrate: it only adds, nodes that run go on",
  ]);
}

/**
 * An acknowledged charge or receipt must outlive the machine that wrote it.
 * @throws KhachapuriError `invalid_config`
 */
export function judgeReplication({ server, fleet }: Survey): Look {
  const { synchronousCommit, synchronousNames, standbys, fsync } = server;
  if (/^(?:off|local)$/.test(synchronousCommit)) {
    throw unfit(`synchronous_commit is ${synchronousCommit}: charges are lost by a failover`, [
      "synchronous_commit = on, for this role, too (ALTER ROLE … RESET synchronous_commit)",
    ]);
  }
  if (synchronousNames === "") return withoutSynchrony(standbys);
  const hints = fsync ? [] : ["fsync = on: without, a power cut loses what was committed"];
  if (synchronousCommit === "remote_write") {
    hints.push("synchronous_commit = on: a standby's disk has what its memory was given, then");
  }
  const waitedFor = standbys.filter(({ sync }) => sync === "sync" || sync === "quorum");
  const isHidden = standbys.length > 0 && standbys.every(({ state }) => state === null);
  if (isHidden) return ofHidden(standbys, (fleet?.nodes.length ?? 0) > 0, hints);
  if (waitedFor.length === 0) {
    throw unfit(`no standby of "${synchronousNames}" is connected: nothing is committed`, [
      "start a standby, or have it find its primary: paid calls are refused until then",
    ]);
  }
  const late = standbys.filter(({ lagMs }) => (lagMs ?? 0) > LAG_MS);
  hints.push(...late.map(({ name, lagMs }) => `${name} is ${seconds(lagMs!)} behind`));
  return {
    detail: `commits wait for ${waitedFor.map(standbyText).join(", ")}`,
    hints,
    advice: standbys.length > 1 ? [] : ["a second standby: with one, no writes when it is away"],
  };
}

function withoutSynchrony(standbys: readonly StandbySeen[]): Look {
  if (standbys.length === 0) {
    return {
      detail: "it has no standby: charges and receipts go with its disk",
      hints: NO_STANDBY_HINTS,
    };
  }
  const names = standbys.map(({ name }) => name).join(", ");
  throw unfit(
    `commits wait for no standby (${names}): a failover loses charges and receipts`,
    NO_STANDBY_HINTS,
  );
}

/** @param isProven nodes live, and each of their beats is a commit that was waited for */
function ofHidden(standbys: readonly StandbySeen[], isProven: boolean, hints: string[]): Look {
  const grant = "to see how standbys are: GRANT pg_monitor TO the provider's role";
  const names = standbys.map(({ name }) => name).join(", ");
  const detail = `commits wait for a standby; connected: ${names}`;
  if (isProven) return { detail, hints, advice: [grant] };
  return { detail, hints: [...hints, grant] };
}

export function standbyText({ name, state, sync, lagMs, lagBytes }: StandbySeen): string {
  if (state === null) return name;
  const isBehind = (lagMs ?? 0) >= 1_000 || (lagBytes ?? 0) >= 1_048_576;
  const lag = isBehind ? `, ${megabytes(lagBytes ?? 0)} behind` : "";
  return `${name} (${sync}${state === "streaming" ? "" : `, ${state}`}${lag})`;
}

/**
 * What is cancelled while it waits for a standby shows what a failover may lose.
 * @throws KhachapuriError `invalid_config`
 */
export function judgeTimeouts({ server: { timeouts } }: Survey): Look {
  // Ours are never idle in a transaction; connections that rest and are ended are made anew.
  const ending = Object.entries(timeouts)
    .filter(([name, value]) => value !== "0" && !name.startsWith("idle_"));
  if (ending.length > 0) {
    const text = ending.map(([name, value]) => `${name} = ${value}`).join(", ");
    throw unfit(`${text} reach money: what they cancel may be lost by a failover`, [
      ...ending.map(([name]) => `ALTER ROLE … SET ${name} = 0, and in the pooler, if there is one`),
    ]);
  }
  return { detail: "no statement of ours is ended by the clock" };
}

/** @throws KhachapuriError `invalid_config` where what we connect with does not come through */
export function judgePooler({ server: { ignored }, isShared }: Survey): Look {
  if (ignored.length > 0) {
    throw unfit(`a pooler keeps ${ignored.join(", ")} from the server`, [
      ...(ignored.includes("search_path")
        ? ["ALTER ROLE … SET search_path = khachapuri: nothing is found else"]
        : []),
      DIRECT_HINT,
    ]);
  }
  if (!isShared) return { detail: "each connection is a server process's own" };
  return {
    detail: "a pooler lends connections by the statement or transaction",
    hints: [
      "pool_mode = session; transaction only with PgBouncer 1.21 or later, " +
      "max_prepared_statements above 0; never statement",
      DIRECT_HINT,
    ],
  };
}

export const DIRECT_HINT =
  "a node needs five connections and no pooler: name the servers themselves in ledger.postgres";

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}

function unfit(message: string, hints: readonly string[]): KhachapuriError {
  return new KhachapuriError("invalid_config", message, { hints });
}
