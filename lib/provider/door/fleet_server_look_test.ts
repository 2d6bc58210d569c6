import assert from "node:assert/strict";
import { parseDatabaseAddress } from "../../postgres_address.ts";
import { WELL } from "../../../worlds/fleet_survey.ts";
import { startPair } from "../../../worlds/postgres/pair.ts";
import { findPostgres } from "../../../worlds/postgres/server.ts";
import { openDatabase } from "../fleet/database.ts";
import { seeServer, type ServerSeen, type StandbySeen } from "../fleet/server_survey.ts";
import type { Survey } from "../fleet/survey.ts";
import type { Look } from "./findings.ts";
import {
  judgePooler,
  judgeReplication,
  judgeSchema,
  judgeServer,
  judgeTimeouts,
} from "./fleet_server_look.ts";

const BIN = await findPostgres();
const ignore = BIN === null;

function surveyOf(server: Partial<ServerSeen>, rest: Partial<Survey> = {}): Survey {
  return { ...WELL, server: { ...WELL.server, ...server }, ...rest };
}

/** Good, or what is wrong. */
function told(judge: (seen: Survey) => Look, seen: Survey): string {
  try {
    const { detail, hints = [] } = judge(seen);
    return hints.length === 0 ? `good: ${detail}` : `doubtful: ${detail}; ${hints.join("; ")}`;
  } catch (error) {
    assert.equal((error as { code?: unknown }).code, "invalid_config");
    return `bad: ${(error as Error).message}`;
  }
}

const standby = (sync: StandbySeen["sync"], changes: Partial<StandbySeen> = {}): StandbySeen => {
  return { name: "one", state: "streaming", sync, lagBytes: 0, lagMs: null, ...changes };
};
const HIDDEN = standby(null, { state: null, lagBytes: null });

Deno.test("only a standby that commits wait for keeps what was acknowledged", () => {
  const replication = (server: Partial<ServerSeen>, rest: Partial<Survey> = {}) =>
    told(judgeReplication, surveyOf(server, rest));
  assert.equal(replication({}), "good: commits wait for one (quorum), two (quorum)");
  assert.match(replication({ synchronousCommit: "off" }), /^bad: synchronous_commit is off/);
  assert.match(replication({ synchronousCommit: "local" }), /^bad: synchronous_commit is local/);
  assert.match(replication({ synchronousCommit: "remote_write" }), /^doubtful: .*a standby's disk/);
  const asynchronous = { synchronousNames: "", standbys: [standby("async")] };
  assert.match(replication(asynchronous), /^bad: commits wait for no standby \(one\)/);
  assert.match(replication({ synchronousNames: "", standbys: [] }), /^doubtful: it has no standby/);
  assert.match(replication({ standbys: [] }), /^bad: no standby of "ANY 1 \(\*\)" is connected/);
  assert.match(replication({ standbys: [standby("async")] }), /^bad: no standby of/);
  assert.match(
    replication({ standbys: [standby("sync")] }),
    /^good: commits wait for one \(sync\)/,
  );
  assert.match(replication({ fsync: false }), /^doubtful: .*fsync = on/);
  const late = standby("sync", { lagMs: 9_000, lagBytes: 5e6 });
  assert.match(replication({ standbys: [late] }), /^doubtful: .*5 MB behind\); one is 9 s behind/);
});

Deno.test("where standbys are hidden from our role, beats of nodes are commits that were waited for", () => {
  const seen = surveyOf({ standbys: [HIDDEN] });
  assert.equal(told(judgeReplication, seen), "good: commits wait for a standby; connected: one");
  assert.match(judgeReplication(seen).advice!.join(), /GRANT pg_monitor/);
  const unproven = surveyOf({ standbys: [HIDDEN] }, { fleet: { ...WELL.fleet!, nodes: [] } });
  assert.match(told(judgeReplication, unproven), /^doubtful: .*GRANT pg_monitor/);
});

Deno.test({
  name: "a real pair is good; asynchronous, or with its standby gone, it is bad",
  ignore,
  async fn() {
    await using pair = await startPair(BIN!, { fsync: true });
    await pair.primary.query("GRANT pg_monitor TO nino");
    const open = () => openDatabase(parseDatabaseAddress(pair.uri()), { connections: 1 });
    const look = async () => {
      const database = await open();
      const server = await seeServer(database).finally(() => database.close());
      return told(judgeReplication, { ...WELL, server });
    };
    assert.match(await look(), /^good: commits wait for khachapuri-\w+ \(sync\)$/);
    await pair.primary.query("ALTER ROLE nino SET synchronous_commit = local");
    assert.match(await look(), /^bad: synchronous_commit is local/);
    await pair.primary.query("ALTER ROLE nino RESET synchronous_commit");
    await pair.standby.crash();
    while ((await look()).startsWith("good")) await Promise.resolve();
    assert.match(await look(), /^bad: no standby of "\*" is connected: nothing is committed/);
  },
});

Deno.test({
  name: "a real standby that nobody waits for is bad",
  ignore,
  async fn() {
    const settings = { synchronous_standby_names: "", synchronous_commit: "on" };
    await using pair = await startPair(BIN!, { settings });
    const database = await openDatabase(parseDatabaseAddress(pair.uri()), { connections: 1 });
    const server = await seeServer(database).finally(() => database.close());
    assert.match(told(judgeReplication, { ...WELL, server }), /^bad: commits wait for no standby/);
  },
});

Deno.test("a limit on our statements is bad, one on connections that rest is not", () => {
  const limits = (timeouts: Record<string, string>) =>
    told(judgeTimeouts, surveyOf({ timeouts: { ...WELL.server.timeouts, ...timeouts } }));
  assert.match(limits({}), /^good/);
  assert.match(limits({ idle_session_timeout: "1h" }), /^good/);
  assert.match(limits({ idle_in_transaction_session_timeout: "1min" }), /^good/);
  assert.match(limits({ statement_timeout: "5s" }), /^bad: statement_timeout = 5s reach money/);
  assert.match(limits({ transaction_timeout: "1min" }), /^bad: transaction_timeout = 1min/);
});

Deno.test("a pooler is told by what it keeps from the server, or whom it serves with one connection", () => {
  assert.match(told(judgePooler, WELL), /^good/);
  const seen = surveyOf({ ignored: ["jit", "search_path"] });
  assert.match(told(judgePooler, seen), /^bad: a pooler keeps jit, search_path from the server/);
  assert.match(
    told(judgePooler, surveyOf({}, { isShared: true })),
    /^doubtful: .*pool_mode = sess/,
  );
});

Deno.test("a schema of a later release serves, one that lacks a step does not", () => {
  assert.match(told(judgeSchema, WELL), /^good: step/);
  assert.match(told(judgeSchema, surveyOf({}, { schema: 1_000 })), /^good: .*later release/);
  assert.match(
    told(judgeSchema, surveyOf({}, { schema: 1 })),
    /^bad: at step 1 of \d+: without leader/,
  );
});

Deno.test("a server that runs out of connections, or does not clean up, is told", () => {
  const server = (changes: Partial<ServerSeen>, deadShare = 0) =>
    told(
      (seen) => judgeServer(seen, "db:5432/books"),
      surveyOf(changes, { fleet: { ...WELL.fleet!, deadShare } }),
    );
  assert.equal(
    server({}),
    "good: PostgreSQL 15.18 at db:5432/books, 8 MB, 9 of 100 connections, answers in 2 ms",
  );
  assert.match(server({ connections: 81 }), /^doubtful: .*max_connections/);
  assert.match(server({ autovacuum: false }), /^doubtful: .*autovacuum = on/);
  assert.match(server({}, 4), /^doubtful: .*VACUUM/);
});
