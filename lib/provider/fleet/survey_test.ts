import assert from "node:assert/strict";
import {
  beginSession,
  freshDatabase,
  leadAlone,
  startFleetServer,
} from "../../../worlds/fleet_database.ts";
import type { Database } from "./database.ts";
import { SCHEMA_VERSION } from "./migrations.ts";
import { type NodeState, toNodeFacts } from "./node_facts.ts";
import { Sessions } from "./sessions.ts";
import { parseDatabaseAddress } from "../../postgres_address.ts";
import { seeFleet, survey } from "./survey.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

const STATE: NodeState = {
  ...{ startedAtMs: 1_000, clockMs: 0, price: 1_000n, isDraining: false },
  ...{ runs: 3, slots: 16, sandboxes: 5, heldUsdc: 3_000n, aheadCredits: 64, aheadUsdc: 64_000n },
  ...{ block: 9n, chainAgeMs: 500, seen: 0, leadsSinceMs: null },
};

/** A node whose clock is ahead by so much. */
function begin(database: Database, node: string, aheadMs = 0): Promise<Sessions> {
  return Sessions.begin({
    database,
    card: { node, url: `http://${node}:1`, version: "1.2.3" },
    facts: () => toNodeFacts({ ...STATE, clockMs: Date.now() + aheadMs }),
    onLost: () => {},
  });
}

/** One lane, of which a session holds five credits. */
async function holdSome(database: Database, session: number): Promise<void> {
  await database.ask("SELECT open_1('0xpayer', '0xlane', 0)");
  const lane = {
    ...{ account: 1, lane: 1, turn: 1, version: 0, releases: 0, ceiling: "100", block: "1" },
    ...{ rows: [], steps: [], wants: [[5, "100"]] },
  };
  await database.ask("SELECT turn_1($1, $2::text::jsonb)", [session, JSON.stringify([lane])]);
}

Deno.test({
  name: "nodes that live are seen with their state, their clocks and what they hold",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const [one, two] = [await begin(database, "n1"), await begin(database, "n2", -60_000)];
    await holdSome(database, two.session);
    await leadAlone(database, one.session);
    const { server, clock, schema, isShared, fleet } = await survey(world.address, undefined);
    assert.deepEqual([schema, isShared, server.isPrimary], [SCHEMA_VERSION, false, true]);
    assert.ok(Math.abs(clock.aheadMs) <= clock.roundTripMs + 1, "it is this machine's own");
    const { nodes, leader, left } = fleet!;
    assert.deepEqual(nodes.map(({ node, version }) => [node, version]), [["n1", "1.2.3"], [
      "n2",
      "1.2.3",
    ]]);
    assert.deepEqual(nodes.map((node) => [node.heldCredits, node.heldLanes]), [[0, 0], [5, 1]]);
    assert.deepEqual([nodes[0]!.state.runs, nodes[0]!.state.price], [3, 1_000n]);
    assert.ok(Math.abs(nodes[0]!.clockAheadMs!) < 1_000);
    assert.ok(Math.abs(nodes[1]!.clockAheadMs! + 60_000) < 1_000);
    assert.ok(nodes.every(({ beatAgeMs }) => beatAgeMs >= 0 && beatAgeMs < 10_000));
    assert.deepEqual(leader, { term: 1, session: one.session, leaderlessMs: 0 });
    assert.deepEqual([left, fleet!.outbox, fleet!.wishes, fleet!.dueUsdc], [[], 0, 0, 0n]);
    assert.ok(fleet!.journalBytes > 0);
    await Promise.all([one.end(), two.end()]);
  },
});

Deno.test({
  name: "what the dead hold still, and since when nobody leads, is seen while no node is up",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    assert.equal((await seeFleet(database)).leader.leaderlessMs, null);
    const session = await beginSession(database, "n1");
    await holdSome(database, session);
    await leadAlone(database, session);
    await database.ask("UPDATE sessions SET until = now() - interval '20 seconds'");
    await database.ask("UPDATE leader SET until = now() - interval '20 seconds'");
    const { nodes, left, leader } = await seeFleet(database);
    assert.deepEqual(nodes, []);
    assert.deepEqual(left.map(({ node, credits }) => [node, credits]), [["n1", 5]]);
    assert.ok(left[0]!.goneMs >= 20_000 && left[0]!.goneMs < 25_000);
    assert.equal(leader.session, null);
    assert.ok(leader.leaderlessMs! >= 20_000 && leader.leaderlessMs! < 25_000);
  },
});

Deno.test({
  name: "a resigned leader leads no more from then on",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const session = await beginSession(database, "n1");
    await leadAlone(database, session);
    await database.ask("SELECT resign_1($1)", [session]);
    const { leader } = await seeFleet(database);
    assert.equal(leader.session, null);
    assert.ok(leader.leaderlessMs! < 5_000);
  },
});

Deno.test({
  name: "a database without our schema is seen, and said to have none",
  ignore,
  async fn() {
    const address = parseDatabaseAddress(SERVER!.uri(await SERVER!.freshDatabase()));
    const seen = await survey(address, undefined);
    assert.deepEqual([seen.schema, seen.fleet], [0, null]);
  },
});

Deno.test({
  name: "a database that is away is named",
  ignore,
  async fn() {
    const away = parseDatabaseAddress("postgres://nino@127.0.0.1:1/books");
    await assert.rejects(survey(away, undefined), {
      code: "database_unavailable",
      message: /127\.0\.0\.1:1/,
    });
  },
});
