import assert from "node:assert/strict";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { pause } from "../../pause.ts";
import { openDatabase } from "./database.ts";
import { SharedLog, type SharedRow } from "./shared_log.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

const LOOSE_MOST = 3;
const row = (key: string, value: string | null, more: Partial<SharedRow> = {}): SharedRow => ({
  kind: "thing",
  key,
  value,
  ...more,
});

async function openWorld() {
  const world = await freshDatabase(SERVER!);
  const log = new SharedLog(world.database, LOOSE_MOST);
  const all = async (after = 0) => (await log.read(after, 1_000)).changes;
  const keys = async (after = 0) => (await all(after)).map(({ key, value }) => `${key}=${value}`);
  return { ...world, log, all, keys };
}

Deno.test({
  name: "each key stands once, as it is now, and whoever reads on sees what was changed since",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { log, keys } = world;
    assert.equal(await log.share([row("a", "1"), row("b", "1")]), 2);
    const { head } = await log.read(0, 10);
    assert.equal(await log.share([row("a", "2", { was: "1" }), row("c", "1")]), 4);
    assert.deepEqual(await keys(), ["b=1", "a=2", "c=1"]);
    assert.deepEqual(await keys(head), ["a=2", "c=1"]);
    assert.deepEqual(await keys(4), []);
    const { changes, head: newest } = await log.read(0, 2);
    assert.deepEqual([changes.map(({ seq }) => seq), newest], [[2, 3], 4]);
  },
});

Deno.test({
  name: "who is first is first, and what is not what it was taken for changes nothing at all",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { log, keys } = world;
    await log.share([row("a", "1")]);
    assert.equal(await log.share([row("a", "2"), row("b", "2")]), 2);
    assert.deepEqual(await keys(), ["a=1", "b=2"]);
    const refused = [row("c", "3"), row("a", "3", { was: "2" })];
    assert.equal(await log.share(refused), null);
    assert.equal(await log.share([row("a", "3", { was: null })]), null);
    assert.equal(await log.share([row("d", "3", { was: "2" })]), null);
    assert.deepEqual(await keys(), ["a=1", "b=2"]);
    assert.equal(await log.share([row("a", "3", { was: "1" }), row("d", "3", { was: null })]), 4);
    // As after a connection that was lost with the answer.
    assert.equal(await log.share([row("a", "3", { was: "1" }), row("d", "3", { was: null })]), 4);
    assert.equal(await log.share([row("a", "1")]), 4);
    assert.deepEqual(await keys(), ["b=2", "a=3", "d=3"]);
  },
});

Deno.test({
  name: "a number that is seen has none before it that comes later, however late a writer commits",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { log, address, keys, database } = world;
    await log.share([row("first", "1")]);
    const [gate, late] = await Promise.all(
      [1, 2].map(() => openDatabase(address, { connections: 1 })),
    );
    await gate!.ask("SELECT pg_advisory_lock(7)");
    const text = JSON.stringify([row("late", "1")]);
    // One transaction, which has its number and cannot end.
    const isWritten = late!.script(
      `SELECT share_1('${text}', 3); SELECT pg_advisory_xact_lock(7)`,
    );
    let isPast = false;
    const waiting = async (count: number) => {
      const asked = "SELECT count(*)::int4 AS n FROM pg_locks WHERE NOT granted";
      while (!isPast && (await database.ask<{ n: number }>(asked))[0]!.n < count) await pause(5);
    };
    await waiting(1);
    const second = log.share([row("second", "1")]).then(() => isPast = true);
    await waiting(2);
    const { head } = await log.read(0, 10);
    assert.deepEqual(await keys(), ["first=1"], "nobody has passed it");
    await gate!.ask("SELECT pg_advisory_unlock(7)");
    await Promise.all([isWritten, second]);
    assert.deepEqual(await keys(head), ["late=1", "second=1"], "a reader who reads on has both");
    await Promise.all([gate!.close(), late!.close()]);
  },
});

Deno.test({
  name: "of loose rows the oldest go, and that they went is told; one that another keeps stays",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { log, keys } = world;
    const loose = (key: string) => log.share([row(key, "1", { was: null, loose: true })]);
    await loose("kept");
    await log.share([{ kind: "keeper", key: "k", value: "1", keeps: "kept" }]);
    for (const key of ["a", "b", "c"]) await loose(key);
    assert.deepEqual(await keys(), ["kept=1", "k=1", "a=1", "b=1", "c=1"]);
    const { head } = await log.read(0, 10);
    await loose("d");
    assert.deepEqual(await keys(head), ["d=1", "a=null"]);
    for (const key of ["e", "f", "g", "h"]) await loose(key);
    // So many that went are told of as are kept.
    const all = ["kept=1", "k=1", "f=1", "c=null", "g=1", "d=null", "h=1", "e=null"];
    assert.deepEqual(await keys(), all);
    await loose("a");
    assert.ok((await keys()).includes("a=1"), "it may come again");
  },
});

Deno.test({
  name: "of nodes that live the one counts that has told of the least",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { log, database } = world;
    const begin = async (facts: object) => {
      const [begun] = await database.ask<{ id: number }>(
        "SELECT begin_session_1('n', 'http://n', '1', $1::text::jsonb) AS id",
        [JSON.stringify(facts)],
      );
      return begun!.id;
    };
    const own = await begin({ seen: 0 });
    await begin({});
    assert.equal(await log.seenElsewhere(own), Infinity);
    const other = await begin({ seen: 4 });
    await begin({ seen: 5 });
    assert.equal(await log.seenElsewhere(own), 4);
    await database.ask("UPDATE sessions SET until = now() - interval '1 ms' WHERE id = $1", [
      other,
    ]);
    assert.equal(await log.seenElsewhere(own), 5, "its session is over");
  },
});
