import assert from "node:assert/strict";
import {
  beginSession,
  freshDatabase,
  leadAlone,
  startFleetServer,
} from "../../../worlds/fleet_database.ts";
import type { Database } from "../fleet/database.ts";
import { FleetUsage, type FleetWatched } from "./fleet_usage.ts";
import { metricsText } from "./metrics.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

function answering(ask: (statement: string) => Promise<unknown[]>): Database {
  return {
    name: "books",
    ask: (statement) => ask(statement) as never,
    script: () => Promise.resolve(),
    trouble: () => null,
    close: () => Promise.resolve(),
  };
}

const AWAY = answering(() => Promise.reject(new Error("it is away")));

function watched(changes: Partial<FleetWatched> = {}): FleetWatched {
  const live = (session: number, version: string, seen: number, node = `n${session}`) => ({
    ...{ session, node, url: "", version, facts: { seen } },
  });
  return {
    database: { ...AWAY, trouble: () => "it is away" },
    nodes: () => [live(1, "1.0.0", 9), live(2, "1.1.0", 12), live(3, "1.1.0", 0, "n2")],
    leader: () => ({ session: 1, facts: {} }),
    term: () => ({ session: 1, term: 7 }),
    state: () => ({ aheadCredits: 64, aheadUsdc: 64_000n, seen: 9 }),
    ...changes,
  };
}

Deno.test("statements are counted by what they are for, with how long they took", async () => {
  let now = 0;
  const usage = new FleetUsage(() => now);
  const database = usage.watch(answering((statement) => {
    now += statement.includes("turn") ? 20 : 2;
    return statement.includes("fails") ? Promise.reject(new Error("fails")) : Promise.resolve([]);
  }));
  await database.ask("SELECT turn_1($1, $2::text::jsonb)");
  await database.ask("SELECT beat_1($1, $2)");
  await assert.rejects(database.ask("SELECT beat_1(fails)"));
  await database.ask("SELECT lead_1($1, $2)");
  await database.ask("SELECT url FROM sessions");
  const text = await metricsText(usage.metrics(watched()));
  const count = (kind: string) =>
    text.match(new RegExp(`_seconds_count{statement="${kind}"} (\\d+)`))?.[1];
  assert.deepEqual(["turn", "beat", "lead", "other"].map(count), ["1", "2", "1", "1"]);
  assert.match(text, /_seconds_sum\{statement="turn"\} 0\.02\n/);
  assert.match(text, /_database_failures_total 1\n/);
});

Deno.test("a beat's age is since the last that was answered, and sessions but the first were lost", async () => {
  let now = 0;
  let isAway = false;
  const usage = new FleetUsage(() => now);
  const database = usage.watch(answering(() => isAway ? AWAY.ask("") : Promise.resolve([])));
  const figures = async () => {
    const text = await metricsText(usage.metrics(watched()));
    return ["beat_age_seconds", "sessions_lost_total"].map((name) =>
      text.match(new RegExp(`^khachapuri_fleet_${name} (\\S+)$`, "m"))![1]
    );
  };
  assert.deepEqual(await figures(), ["NaN", "0"]);
  await database.ask("SELECT begin_session_1($1) AS id");
  now = 1_000;
  await database.ask("SELECT beat_1($1)");
  now = 3_500;
  isAway = true;
  await assert.rejects(database.ask("SELECT beat_1($1)"));
  assert.deepEqual(await figures(), ["2.5", "0"]);
  isAway = false;
  await database.ask("SELECT begin_session_1($1) AS id");
  assert.deepEqual(await figures(), ["0", "1"]);
});

Deno.test("a node tells what it holds ahead, whether it leads, and how the others are", async () => {
  const text = await metricsText(new FleetUsage().metrics(watched()));
  for (
    const line of [
      "khachapuri_fleet_database_up 0",
      "khachapuri_fleet_held_ahead_credits 64",
      "khachapuri_fleet_held_ahead_usdc_base_units 64000",
      "khachapuri_fleet_changes_behind 3",
      "khachapuri_fleet_leads 1",
      "khachapuri_fleet_term 7",
      "khachapuri_fleet_leader_known 1",
      "khachapuri_fleet_nodes 2",
      "khachapuri_fleet_releases 2",
    ]
  ) assert.ok(text.includes(`\n${line}\n`), line);
  // What only the server knows is absent while it is away.
  assert.doesNotMatch(text, /^khachapuri_fleet_(?:synchronous|standbys)/m);
  const follower = watched({ term: () => null, leader: () => ({ session: null, facts: {} }) });
  const other = await metricsText(new FleetUsage().metrics(follower));
  assert.match(other, /^khachapuri_fleet_leads 0\n/m);
  assert.match(other, /^khachapuri_fleet_leader_known 0\n/m);
});

Deno.test({
  name: "the server's own figures are asked for once in ten seconds, however many look",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    let now = 0;
    let asked = 0;
    const usage = new FleetUsage(() => now);
    const database = answering((statement) => {
      asked += 1;
      return world.database.ask(statement);
    });
    const look = () => metricsText(usage.metrics(watched({ database })));
    const [text] = await Promise.all([look(), look()]);
    assert.equal(asked, 1);
    assert.match(text!, /^khachapuri_fleet_database_up 1$/m);
    assert.match(text!, /^khachapuri_fleet_synchronous 0$/m);
    assert.match(text!, /^khachapuri_fleet_standbys\{sync="sync"\} 0$/m);
    assert.match(text!, /^khachapuri_fleet_database_bytes \d+$/m);
    now = 10_000;
    await look();
    assert.equal(asked, 2);
  },
});

Deno.test({
  name: "what sessions and leaders really ask is known for what it is",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const usage = new FleetUsage();
    const database = usage.watch(world.database);
    const session = await beginSession(database, "n1");
    await leadAlone(database, session);
    const text = await metricsText(usage.metrics(watched()));
    assert.match(text, /_count\{statement="lead"\} 1\n/);
    assert.match(text, /^khachapuri_fleet_beat_age_seconds 0\.?\d*$/m);
  },
});
