/** The turn as the database carries it out, with others in its way. */
import assert from "node:assert/strict";
import postgres from "postgres";
import {
  type FleetDatabase,
  freshDatabase,
  startFleetServer,
} from "../../../../worlds/fleet_database.ts";
import { assertBooks } from "../../../../worlds/fleet_ledger.ts";
import type { Database } from "../database.ts";
import { GIVE_BACK, reap } from "../reaping.ts";

const SERVER = await startFleetServer();
const CEILING = "10";
/** Of the turn that is tested. */
let form = "";

interface Asked {
  turn: number;
  first?: number;
  rows?: unknown[];
  steps?: unknown[];
  releases?: number;
  wants?: [count: number, most: string][];
  version?: number;
  block?: string;
  ceiling?: string;
  permits?: unknown;
  promised?: string;
}

/** A turn of one session on the one lane that there is. */
function turnText(asked: Asked): string {
  const place = { account: 1, lane: 1, version: 0, ceiling: CEILING, block: "1" };
  return JSON.stringify([{ ...place, rows: [], steps: [], releases: 0, wants: [], ...asked }]);
}

async function take(database: Database, session: number, asked: Asked): Promise<unknown[]> {
  const [row] = await database.ask<{ answers: unknown[][] }>(
    `SELECT ${form}($1, $2::text::jsonb) AS answers`,
    [session, turnText(asked)],
  );
  return row!.answers[0]!;
}

function charged(session: number, count: number) {
  const rows = Array.from({ length: count }, (_, index) => {
    return [session * 2 ** 32 + index + 1, 1, "0", "bafy", "answered", null];
  });
  return { rows, steps: [["0", count]] };
}

/** Sessions 1 and 2, and a lane of one payer. */
async function begin(database: Database): Promise<void> {
  for (const node of ["n1", "n2"]) {
    await database.ask("SELECT begin_session_1($1, 'http://n', '1', '{}')", [node]);
  }
  await database.ask("SELECT open_1('0xpayer', '0xlane', 0)");
  await database.ask("UPDATE lanes SET steps_upto = '{0}', steps_price = '{0}'");
}

/** A session is over, and holds what it held. */
async function giveUp(database: Database, session: number): Promise<void> {
  await database.ask("UPDATE sessions SET reaped = true WHERE id = $1", [session]);
}

/**
 * Has `first` carried out in a transaction that is left open, then `second` beside it until that
 * waits for a lock or is done, and ends the first.
 */
async function meet(
  world: FleetDatabase,
  first: { statement: string; parameters: (string | number)[] },
  second: (database: Database) => Promise<unknown>,
): Promise<void> {
  const { hosts: [host], user, database } = world.address;
  const own = postgres({
    ...{ host: host!.host, port: host!.port, user, database, max: 1, fetch_types: false },
    connection: { search_path: "khachapuri" },
  });
  const other = await world.open();
  try {
    await own.unsafe("BEGIN");
    await own.unsafe(first.statement, first.parameters);
    let isDone = false;
    const done = second(other).finally(() => isDone = true);
    while (!isDone && !await isAnyWaiting(world.database)) continue;
    await own.unsafe("COMMIT");
    await done;
  } finally {
    await own.end();
  }
}

async function isAnyWaiting(database: Database): Promise<boolean> {
  const [row] = await database.ask<{ waiting: number }>(
    `SELECT count(*)::int4 AS waiting FROM pg_stat_activity
      WHERE wait_event_type = 'Lock' AND datname = current_database()`,
  );
  return row!.waiting > 0;
}

/** Each with a turn of many lanes, of which there is one, and with a turn of one. */
function test(name: string, fn: (world: FleetDatabase) => Promise<void>): void {
  for (const one of ["turn_1", "turn_of_one_1"]) {
    Deno.test({
      name: `${name}: ${one}`,
      ignore: SERVER === null,
      async fn() {
        form = one;
        await using world = await freshDatabase(SERVER!);
        await begin(world.database);
        await fn(world);
      },
    });
  }
}

test("a turn that comes again is answered by what it did, no more", async ({ database }) => {
  await take(database, 1, { turn: 1, wants: [[4, "100"]] });
  const second: Asked = { turn: 2, ...charged(1, 2), releases: 1, wants: [[3, "100"]] };
  const [, fate, ...first] = await take(database, 1, second);
  assert.equal(fate, "done");
  const [, again, ...repeated] = await take(database, 1, second);
  assert.equal(again, "again");
  assert.deepEqual(repeated, first);
  const { used, held, charges } = await assertBooks(database);
  assert.deepEqual({ used, held, charges }, { used: 2, held: 4, charges: 2 });
});

test("a turn that does not follow the last is lost, whatever it brings", async ({ database }) => {
  await take(database, 1, { turn: 1, wants: [[4, "100"]] });
  assert.equal((await take(database, 1, { turn: 3, ...charged(1, 2) }))[1], "lost");
  assert.equal((await take(database, 2, { turn: 2, ...charged(2, 2) }))[1], "lost");
  await giveUp(database, 1);
  await reap(database);
  assert.equal((await take(database, 1, { turn: 2, ...charged(1, 2) }))[1], "lost");
  const { used, held } = await assertBooks(database);
  assert.deepEqual({ used, held }, { used: 0, held: 0 });
});

test("what is wanted is granted in its order, as far as ceiling and permits go", async ({ database }) => {
  const granted = async (turn: number, ...wants: [number, string][]) =>
    (await take(database, 1, { turn, wants }))[2];
  assert.equal(await granted(1, [1, "1"], [1, "2"], [5, "4"], [5, "100"]), 4);
  assert.equal(await granted(2, [1, "4"], [5, "100"]), 0);
  assert.equal(await granted(3, [50, "100"]), 6);
  assert.equal(await granted(4, [1, "100"]), 0);
});

test("what was judged on another version, or on fewer credits, is not granted", async ({ database }) => {
  const wants: [number, string][] = [[2, "100"]];
  assert.equal((await take(database, 1, { turn: 1, wants }))[2], 2);
  const [, fate, granted] = await take(database, 1, { turn: 2, wants, version: 7 });
  assert.deepEqual([fate, granted], ["done", 0]);
  const permits = { ours: true };
  const [, , onFewer] = await take(database, 1, { turn: 3, wants, permits, promised: "1" });
  assert.equal(onFewer, 0);
  const answer = await take(database, 1, { turn: 4, wants, permits, promised: "2" });
  assert.equal(answer[2], 2);
  const { version, permits: kept } = answer[8] as { version: number; permits: unknown };
  assert.deepEqual([version, kept], [1, permits]);
});

test("the ceiling is that of the newest block, whichever turn brings it", async ({ database }) => {
  const granted = async (turn: number, ceiling: string, block: string) =>
    (await take(database, 1, { turn, ceiling, block, wants: [[100, "100"]] }))[2];
  assert.equal(await granted(1, "5", "7"), 5);
  assert.equal(await granted(2, "50", "6"), 0);
  assert.equal(await granted(3, "8", "7"), 3);
  assert.equal(await granted(4, "3", "8"), 0);
});

test("two turns of one payer at once go one after the other: no credit is granted twice", async (world) => {
  const asked: Asked = { turn: 1, wants: [[6, "100"]] };
  const first = {
    statement: `SELECT ${form}($1, $2::text::jsonb)`,
    parameters: [1, turnText(asked)],
  };
  let granted: unknown;
  await meet(world, first, async (other) => {
    granted = (await take(other, 2, asked))[2];
  });
  assert.equal(granted, 4);
  assert.equal((await assertBooks(world.database)).held, 10);
});

test("a turn that meets what gives a dead node's credits back loses none, and keeps none", async (world) => {
  const { database } = world;
  await take(database, 1, { turn: 1, wants: [[3, "100"]] });
  await take(database, 2, { turn: 1, wants: [[5, "100"]] });
  await giveUp(database, 1);
  const first = { statement: GIVE_BACK, parameters: [1] };
  await meet(world, first, (other) => take(other, 2, { turn: 2, ...charged(2, 2) }));
  const { used, held } = await assertBooks(database);
  assert.deepEqual({ used, held }, { used: 2, held: 3 });
});

test("what gives credits back waits for a turn of the same payer", async (world) => {
  const { database } = world;
  await take(database, 1, { turn: 1, wants: [[3, "100"]] });
  const first = {
    statement: `SELECT ${form}($1, $2::text::jsonb)`,
    parameters: [1, turnText({ turn: 2, ...charged(1, 1), wants: [[4, "100"]] })],
  };
  await giveUp(database, 1);
  await meet(world, first, (other) => other.ask(GIVE_BACK, [1]));
  const { used, held } = await assertBooks(database);
  assert.deepEqual({ used, held }, { used: 1, held: 0 });
});

test("what the chain tells meets a turn, and neither undoes the other", async (world) => {
  const { database } = world;
  await take(database, 1, { turn: 1, wants: [[5, "100"]] });
  await take(database, 1, { turn: 2, ...charged(1, 3) });
  const fact = { payer: "0xpayer", lane: "0xlane", fact: "settled", settled: "2", block: "4" };
  const first = {
    statement: "SELECT record_1($1::text::jsonb)",
    parameters: [JSON.stringify([fact])],
  };
  await meet(world, first, (other) => take(other, 1, { turn: 3, releases: 2 }));
  const { used, held } = await assertBooks(database);
  assert.deepEqual({ used, held }, { used: 3, held: 0 });
  const [lane] = await database.ask("SELECT settled, charged, version FROM lanes");
  assert.deepEqual(lane, { settled: "2", charged: "3", version: "1" });
});

test("what the chain tells waits for a turn of the same payer", async (world) => {
  const { database } = world;
  await take(database, 1, { turn: 1, wants: [[5, "100"]] });
  const fact = { payer: "0xpayer", lane: "0xlane", fact: "settled", settled: "2", block: "4" };
  const first = {
    statement: `SELECT ${form}($1, $2::text::jsonb)`,
    parameters: [1, turnText({ turn: 2, ...charged(1, 3) })],
  };
  await meet(world, first, (other) => {
    return other.ask("SELECT record_1($1::text::jsonb)", [JSON.stringify([fact])]);
  });
  const { used, held } = await assertBooks(database);
  assert.deepEqual({ used, held }, { used: 3, held: 2 });
});

test("what a late copy of a forgotten turn holds the next gives back", async ({ database }) => {
  await take(database, 1, { turn: 1, wants: [[4, "100"]] });
  // The node has forgotten its turns up to the third.
  const asked: Asked = { turn: 4, first: 4, wants: [[2, "100"]] };
  const [, fate, granted] = await take(database, 1, asked);
  assert.deepEqual([fate, granted], ["done", 2]);
  assert.deepEqual(
    await take(database, 1, { turn: 1, wants: [[4, "100"]] }).then((a) => a[1]),
    "lost",
  );
  const { held } = await assertBooks(database);
  assert.equal(held, 2);
});

test("a turn whose holds are gone tells whether its charges came", async ({ database }) => {
  await take(database, 1, { turn: 1, wants: [[4, "100"]] });
  const second: Asked = { turn: 2, ...charged(1, 2) };
  await take(database, 1, second);
  await giveUp(database, 1);
  await database.ask(GIVE_BACK, [9]);
  assert.equal((await take(database, 1, second))[1], "past");
  assert.equal((await take(database, 1, { ...second, ...charged(3, 1) }))[1], "lost");
  assert.equal((await take(database, 1, { turn: 3, releases: 2 }))[1], "lost");
  const { used, held } = await assertBooks(database);
  assert.deepEqual({ used, held }, { used: 2, held: 0 });
});
