import assert from "node:assert/strict";
import { pause } from "../../pause.ts";
import { parseDatabaseAddress } from "../../postgres_address.ts";
import { startPair } from "../../../worlds/postgres/pair.ts";
import { findPostgres } from "../../../worlds/postgres/server.ts";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { type Database, openDatabase } from "./database.ts";
import { areConnectionsShared, seeClock, seeServer } from "./server_survey.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

Deno.test({
  name: "a server tells what it promises, and that it lets our statements take their time",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const seen = await seeServer(world.database);
    assert.match(seen.version, /^\d+[\w.]*$/);
    assert.deepEqual([seen.isPrimary, seen.fsync, seen.autovacuum], [true, false, true]);
    assert.deepEqual([seen.synchronousNames, seen.standbys], ["", []]);
    assert.equal(seen.timeouts.statement_timeout, "0");
    assert.deepEqual(seen.ignored, []);
    assert.ok(seen.databaseBytes > 1e6);
    assert.ok(seen.connections >= 1 && seen.connections < seen.connectionsMost);
  },
});

Deno.test({
  name: "limits that a role is given are seen, where our own connection does not lift them",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const name = world.address.database;
    await SERVER!.server.query(
      `ALTER DATABASE ${name} SET idle_in_transaction_session_timeout = '30s';
      ALTER DATABASE ${name} SET statement_timeout = '5s'`,
    );
    const { timeouts } = await seeServer(await world.open());
    assert.equal(timeouts.idle_in_transaction_session_timeout, "30s");
    assert.equal(timeouts.statement_timeout, "0");
  },
});

Deno.test({
  name: "a standby is seen with its lag by who may, and by its name alone by who may not",
  ignore,
  async fn() {
    await using pair = await startPair((await findPostgres())!);
    const database = await openDatabase(parseDatabaseAddress(pair.uri()), { connections: 1 });
    await using _closed = { [Symbol.asyncDispose]: () => database.close() };
    const hidden = await seeServer(database);
    assert.deepEqual([hidden.synchronousNames, hidden.synchronousCommit], ["*", "remote_apply"]);
    assert.match(hidden.standbys[0]!.name, /^khachapuri-/);
    assert.deepEqual([hidden.standbys[0]!.state, hidden.standbys[0]!.sync], [null, null]);
    await pair.primary.query("GRANT pg_monitor TO nino");
    const [standby] = (await seeServer(database)).standbys;
    assert.deepEqual([standby!.state, standby!.sync], ["streaming", "sync"]);
    assert.equal(standby!.lagBytes, 0);
    await pair.standby.crash();
    await until(async () => (await seeServer(database)).standbys.length === 0);
  },
});

/** The primary notices that a connection is closed when it does. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!await isSo()) await pause(10);
}

/** A database that answers what it is told to. */
function answering(...answers: Record<string, number>[]): Database {
  return {
    name: "played",
    ask: () => Promise.resolve([answers.shift()]) as never,
    script: () => Promise.resolve(),
    trouble: () => null,
    close: () => Promise.resolve(),
  };
}

Deno.test("the clock is compared in the middle of the quickest answer", async () => {
  const times = [0, 100, 1_000, 1_010, 2_000, 2_500];
  const clocks = [5_000, 6_005, 7_000].map((clock) => ({ clock }));
  const seen = await seeClock(answering(...clocks), () => times.shift()!);
  assert.deepEqual(seen, { aheadMs: 5_000, roundTripMs: 10 });
});

Deno.test("who is served by another process now, or by another's, shares its connections", async () => {
  const pids = (...all: number[]) => answering(...all.map((pid) => ({ pid })));
  assert.equal(await areConnectionsShared(pids(1, 1, 1), pids(2, 2, 2)), false);
  assert.equal(await areConnectionsShared(pids(1, 1, 1), pids(1, 1, 1)), true);
  assert.equal(await areConnectionsShared(pids(1, 3, 1), pids(2, 2, 2)), true);
});
