import assert from "node:assert/strict";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { within } from "../../within.ts";
import type { Database } from "./database.ts";
import { type LiveNode, Sessions, type SessionsOptions } from "./sessions.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

function begin(
  database: Database,
  node: string,
  onLost: (session: number) => void = () => {},
  more: Partial<SessionsOptions> = {},
) {
  const card = { node, url: `http://${node}:1`, version: "1" };
  return Sessions.begin({ database, card, facts: () => ({ runs: 3 }), onLost, ...more });
}

/** As if ten seconds had gone by without a word of it. */
async function expire(database: Database, session: number): Promise<void> {
  await database.ask("UPDATE sessions SET until = now() - interval '1 ms' WHERE id = $1", [
    session,
  ]);
}

/** One lane, of which a session holds so many credits. */
async function holdSome(database: Database, session: number, credits: number): Promise<void> {
  await database.ask("SELECT open_1('0xpayer', '0xlane', 0)");
  const lane = {
    ...{ account: 1, lane: 1, turn: 1, version: 0, releases: 0, ceiling: "100", block: "1" },
    ...{ rows: [], steps: [], wants: [[credits, "100"]] },
  };
  await database.ask("SELECT turn_1($1, $2::text::jsonb)", [session, JSON.stringify([lane])]);
}

async function heldOf(database: Database): Promise<unknown> {
  const [row] = await database.ask(
    `SELECT (SELECT sum(held) FROM accounts)::int4 AS accounts,
      (SELECT sum(held) FROM lanes)::int4 AS lanes,
      (SELECT coalesce(sum(credits), 0) FROM holds)::int4 AS holds`,
  );
  return row;
}

Deno.test({
  name: "nodes see each other, and what each tells of itself, until they leave",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const [one, two] = [await begin(world.database, "n1"), await begin(world.database, "n2")];
    await one.beat();
    const names = (nodes: readonly LiveNode[]) => nodes.map(({ node }) => node);
    assert.deepEqual(names(one.nodes()), ["n1", "n2"]);
    assert.deepEqual(one.nodes()[1]!.facts, { runs: 3 });
    await two.end();
    await one.beat();
    assert.deepEqual(names(one.nodes()), ["n1"]);
    await one.end();
  },
});

Deno.test({
  name: "what a node held that was silent is given back by another, and it begins anew",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const lost: number[] = [];
    const silent = await begin(database, "n1", (session) => void lost.push(session));
    const other = await begin(database, "n2");
    await holdSome(database, silent.session, 7);
    await other.beat();
    assert.deepEqual(await heldOf(database), { accounts: 7, lanes: 7, holds: 7 });
    const before = silent.session;
    await expire(database, before);
    await other.beat();
    assert.deepEqual(await heldOf(database), { accounts: 0, lanes: 0, holds: 0 });
    await silent.beat();
    assert.notEqual(silent.session, before);
    assert.deepEqual(lost, [silent.session]);
    await Promise.all([silent.end(), other.end()]);
  },
});

Deno.test({
  name: "a first turn of a session that was reaped is found with the next beat",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const [silent, other] = [await begin(database, "n1"), await begin(database, "n2")];
    const before = silent.session;
    await expire(database, before);
    await other.beat();
    await holdSome(database, before, 5);
    assert.deepEqual(await heldOf(database), { accounts: 5, lanes: 5, holds: 5 });
    await other.beat();
    assert.deepEqual(await heldOf(database), { accounts: 0, lanes: 0, holds: 0 });
    await Promise.all([silent.end(), other.end()]);
  },
});

/** A beat that nobody asked for has come since. */
async function isProlonged(database: Database, session: number): Promise<void> {
  const untilOf = async () => {
    const [row] = await database.ask<{ until: string }>(
      "SELECT until::text FROM sessions WHERE id = $1",
      [session],
    );
    return row!.until;
  };
  const before = await untilOf();
  while (await untilOf() === before);
}

Deno.test({
  name: "a session goes on though nothing else does, and begins anew where it was given up",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const database = await world.open();
    const lost: number[] = [];
    const never = new Promise<void>(() => {});
    const node = await begin(database, "n1", (session) => void lost.push(session), {
      besideBeats: () => never,
      onBegun: () => lost.length === 0 ? Promise.resolve() : never,
    });
    const before = node.session;
    // Whatever callers bring about has all connections there are for it.
    const busy = Array.from({ length: 8 }, () => database.ask("SELECT pg_sleep(60)"));
    for (const each of busy) each.catch(() => {});
    for (let beats = 0; beats < 2; beats++) {
      assert.notEqual(await within(isProlonged(world.database, before), 5_000), "late");
    }
    await world.database.ask("UPDATE sessions SET reaped = true");
    assert.notEqual(await within(node.beat(), 5_000), "late");
    assert.notEqual(node.session, before);
    assert.deepEqual(lost, [node.session]);
    await within(isProlonged(world.database, node.session), 5_000);
    await database.close();
    assert.notEqual(await within(node.end().catch(() => {}), 5_000), "late");
  },
});
