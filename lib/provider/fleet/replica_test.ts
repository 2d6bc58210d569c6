import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { Position } from "./position.ts";
import { type Outgoing, Replica, type ReplicaPart } from "./replica.ts";
import { type Change, SharedLog, type SharedRow } from "./shared_log.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

/** A file with some kinds, which has nothing but what it was told. */
function partOf(id: string, ...kinds: string[]) {
  const database = new DatabaseSync(":memory:");
  const position = new Position(database, kinds);
  position.advance(id, 0, () => {});
  const queue: SharedRow[][] = [];
  const written: string[] = [];
  const told: string[] = [];
  const part: ReplicaPart = {
    kinds: new Set(kinds),
    position,
    outgoing(): Outgoing | null {
      const [rows] = queue;
      return rows ? { rows, sent: () => void queue.shift() } : null;
    },
    apply(changes: readonly Change[]) {
      const keys = changes.map(({ key }) => key);
      if (keys.includes("too much")) throw new Error("no room");
      written.push(...keys);
      return () => void told.push(...keys);
    },
  };
  return Object.assign(part, { queue, written, told });
}

async function openWorld() {
  const world = await freshDatabase(SERVER!);
  const log = new SharedLog(world.database, 10);
  return { ...world, log, id: await log.id() };
}

const row = (kind: string, key: string): SharedRow => ({ kind, key, value: "1" });
const other = (log: SharedLog, kind: string, ...keys: string[]) =>
  log.share(keys.map((key) => row(kind, key)));

Deno.test({
  name: "each file takes its kinds from where it was, and what waits is sent before",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { log, id } = world;
    const [a, b] = [partOf(id, "a"), partOf(id, "b", "c")];
    const replica = new Replica(log, [a, b]);
    await other(log, "a", "1");
    await other(log, "c", "2");
    a.queue.push([row("a", "own")], [row("a", "own, too")]);
    await replica.sync();
    assert.deepEqual([a.told, b.told], [["1", "own", "own, too"], ["2"]]);
    assert.equal(replica.seen, 4);
    // A file that is older than another is read alone what it lacks.
    const again = partOf(id, "a");
    await other(log, "c", "3");
    await new Replica(log, [again, b]).sync();
    assert.deepEqual([again.told, b.told], [["1", "own", "own, too"], ["2", "3"]]);
  },
});

Deno.test({
  name: "what a file could not take is read again, and nothing behind it is seen before",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { log, id } = world;
    const a = partOf(id, "a");
    const replica = new Replica(log, [a]);
    await other(log, "a", "1");
    await replica.sync();
    await other(log, "a", "too much", "2");
    await assert.rejects(replica.sync(), /no room/);
    assert.deepEqual([replica.seen, a.told], [1, ["1"]]);
    await log.share([{ ...row("a", "too much"), value: "2", was: "1" }]);
    a.apply = (changes) => () => void a.told.push(...changes.map(({ key }) => key));
    await replica.sync();
    assert.deepEqual([replica.seen, a.told], [4, ["1", "2", "too much"]]);
  },
});

Deno.test({
  name: "who shares knows it itself at once; what was changed meanwhile is refused, and known then",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { log, id } = world;
    const a = partOf(id, "a");
    const replica = new Replica(log, [a]);
    assert.equal(await replica.share([row("a", "1")]), 1);
    assert.deepEqual(a.told, ["1"]);
    await other(log, "a", "2");
    assert.equal(await replica.share([{ ...row("a", "2"), value: "3", was: null }]), null);
    assert.deepEqual(a.told, ["1", "2"]);
  },
});

Deno.test({
  name:
    "what went while a node was away, and was pruned, is known to be gone once it is in the way",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const log = new SharedLog(world.database, 3);
    const known = new Map<string, string | null>();
    const part = partOf(await log.id(), "a");
    part.apply = (changes) => {
      for (const { key, value } of changes) known.set(key, value);
      return () => {};
    };
    const replica = new Replica(log, [part]);
    const loose = (key: string, value: string) => ({ kind: "a", key, value, loose: true });
    await replica.share([loose("own", "one")]);
    // It is away, while others share more than is kept.
    for (let n = 0; n < 9; n++) await log.share([loose(`other ${n}`, "x")]);
    const renewed = () => replica.share([{ ...loose("own", "two"), was: known.get("own")! }]);
    assert.equal(await renewed(), null);
    assert.equal(known.get("own"), null);
    assert.notEqual(await renewed(), null);
    assert.equal(known.get("own"), "two");
  },
});

Deno.test({
  name: "a database that was made anew, or set back, is none that a node goes on with",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { log, id, database } = world;
    const a = partOf(id, "a");
    const replica = new Replica(log, [a]);
    await replica.share([row("a", "1")]);
    for (const change of ["seq = 0", "log = 'another', seq = 9"]) {
      await database.script(`UPDATE shared_head SET ${change}`);
      await assert.rejects(replica.sync(), { code: "database_unavailable", message: /another/ });
    }
    assert.equal(replica.seen, 1);
  },
});

Deno.test({
  name: "what others write while it is read is read the next time",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { log, id } = world;
    const a = partOf(id, "a");
    let written = 0;
    const writeSlice = async () => {
      const keys = Array.from({ length: 500 }, () => String(++written));
      await other(log, "a", ...keys);
    };
    await writeSlice();
    const busy = Object.assign(Object.create(log) as SharedLog, {
      async read(after: number, most: number) {
        const page = await log.read(after, most);
        if (written < 5_000) await writeSlice();
        return page;
      },
    });
    const replica = new Replica(busy, [a]);
    await replica.sync();
    assert.equal(replica.seen, 500);
    await replica.sync();
    assert.equal(replica.seen, 1_000, "all that there was when it began");
  },
});
