import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { getAddress } from "viem";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { makeFolder } from "../../../worlds/home.ts";
import type { CidText } from "../../cid.ts";
import { REGISTERED_NAMES_MAX } from "../../limits_of_names.ts";
import { Replica } from "../fleet/replica.ts";
import { SharedLog } from "../fleet/shared_log.ts";
import { NameRegister } from "./register.ts";
import { SharedNames } from "./shared_names.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;
const [OWNER, OTHER] = [1, 2].map((nth) => getAddress(`0x${String(nth).repeat(40)}`));
const [ONE, TWO] = ["bafkone", "bafktwo"] as [CidText, CidText];
const DAY_MS = 86_400_000;

async function openWorld() {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await freshDatabase(SERVER!));
  const { dir } = stack.use(await makeFolder());
  const owned = stack.move();
  const clock = { ms: 1_000 };
  /** Opened again it is as after a kill. */
  const file = (name: string) => {
    const database = new DatabaseSync(join(dir, name));
    owned.defer(() => database.close());
    return { database, register: new NameRegister(database, () => clock.ms) };
  };
  return {
    ...world,
    clock,
    file,
    async node(name: string) {
      const { database, register } = file(name);
      const left: CidText[] = [];
      const names = new SharedNames(database, register, (cid) => void left.push(cid));
      const log = new SharedLog(world.database, 10);
      names.join(await log.id());
      const replica = new Replica(log, [names]);
      await replica.sync();
      names.begin(replica);
      const change = (label: string, cid: CidText | "", sequence: number, owner = OWNER!) => {
        clock.ms += 1;
        return names.change({ label, cid, sequence: BigInt(sequence), owner });
      };
      return { names, register, database, replica, left, change };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** All that a register has. */
function rowsOf({ database }: { database: DatabaseSync }) {
  return ["names", "moves"].map((table) =>
    database.prepare(`SELECT * FROM ${table} ORDER BY label, sequence`).all()
      .map((row) => ({ ...row }))
  );
}

Deno.test({
  name:
    "a name that was taken or moved at one node is so at all, with its history, after their beats",
  ignore,
  async fn() {
    await using world = await openWorld();
    const [one, two] = [await world.node("one"), await world.node("two")];
    await one.change("blog", ONE, 1);
    await two.replica.sync();
    assert.deepEqual(await two.change("blog", TWO, 2), {
      name: two.register.get("blog"),
      left: ONE,
    });
    await one.replica.sync();
    assert.deepEqual(one.register.get("blog"), two.register.get("blog"));
    assert.deepEqual(one.register.history("blog"), [
      { cid: TWO, sequence: 2, at: 1_002 },
      { cid: ONE, sequence: 1, at: 1_001 },
    ]);
    assert.deepEqual([one.left, two.left], [[ONE], [ONE]]);
    await one.change("blog", "", 3);
    await two.replica.sync();
    assert.deepEqual([two.register.has("blog"), two.register.sequence("blog")], [false, 3]);
    await two.change("blog", ONE, 4, OTHER);
    await one.replica.sync();
    assert.deepEqual(one.register.ofOwner(OTHER!).map(({ label }) => label), ["blog"]);
    assert.equal(one.register.count(OWNER!), 0);
    assert.deepEqual(rowsOf(one), rowsOf(two));
  },
});

Deno.test({
  name: "of two nodes that make one change of a name at once one finds the other's made",
  ignore,
  async fn() {
    await using world = await openWorld();
    const [one, two] = [await world.node("one"), await world.node("two")];
    const made = await Promise.all([
      one.change("blog", ONE, 1),
      two.change("blog", TWO, 1, OTHER),
    ]);
    assert.equal(made.filter((each) => each === null).length, 1);
    for (const { replica } of [one, two]) await replica.sync();
    assert.deepEqual(rowsOf(one), rowsOf(two));
    const [loser, owner] = made[0] === null ? [one, OWNER] : [two, OTHER];
    await assert.rejects(loser.change("blog", ONE, 2, owner), { code: "access_denied" });
  },
});

Deno.test({
  name: "of two names that an owner takes at two nodes at once one is counted before the other",
  ignore,
  async fn() {
    await using world = await openWorld();
    const [one, two] = [await world.node("one"), await world.node("two")];
    await one.change("first", ONE, 1);
    await two.replica.sync();
    const made = await Promise.all([one.change("blog", ONE, 1), two.change("shop", TWO, 1)]);
    assert.equal(made.filter((each) => each === null).length, 1);
    const again = made[0] === null ? one : two;
    assert.equal(again.register.count(OWNER!), 2, "the other's is known");
    // What changes nothing of their number waits for nobody.
    const moved = await Promise.all([one.change("first", TWO, 2), again.change("more", ONE, 1)]);
    assert.ok(moved.every((each) => each !== null));
  },
});

Deno.test({
  name: "names lapse at all nodes by the look of one, and those that are not covered are noted",
  ignore,
  async fn() {
    await using world = await openWorld();
    const [one, two] = [await world.node("one"), await world.node("two")];
    for (const label of ["a", "b"]) await one.change(label, ONE, 1);
    await one.names.cover(OWNER!, 1, 0);
    await two.replica.sync();
    assert.deepEqual(two.register.uncovered().map(({ label }) => label), ["b"]);
    await two.names.cover(OWNER!, 1, world.clock.ms + DAY_MS);
    await one.replica.sync();
    assert.deepEqual(one.register.ofOwner(OWNER!).map(({ label }) => label), ["a"]);
    assert.deepEqual(rowsOf(one), rowsOf(two));
  },
});

Deno.test({
  name: "a lone provider's names are the fleet's; of one that both have the fleet's counts",
  ignore,
  async fn() {
    await using world = await openWorld();
    const alone = (name: string, work: (register: NameRegister) => void) => {
      work(world.file(name).register);
    };
    const take = (label: string, cid: CidText, sequence: bigint) => (register: NameRegister) =>
      void register.change({ label, cid, sequence, owner: OWNER! });
    alone("one", take("blog", ONE, 1n));
    alone("one", take("blog", TWO, 2n));
    const one = await world.node("one");
    const two = await world.node("two");
    assert.deepEqual(two.register.history("blog").map(({ cid }) => cid), [TWO, ONE]);
    // For a while it is alone again.
    alone("two", take("blog", ONE, 3n));
    alone("two", take("shop", ONE, 1n));
    await one.change("blog", ONE, 3);
    await one.change("blog", TWO, 4);
    const again = await world.node("two");
    await one.replica.sync();
    assert.deepEqual(rowsOf(again), rowsOf(one));
    assert.equal(one.register.get("shop")?.cid, ONE);
    assert.ok(await again.change("blog", ONE, 5));
  },
});

Deno.test({
  name: "a full register forgets what was given up long ago at all nodes",
  ignore,
  async fn() {
    await using world = await openWorld();
    const one = await world.node("one");
    await one.change("gone", ONE, 1);
    await one.change("gone", "", 2);
    await world.database.script(`
      INSERT INTO shared_rows SELECT 'name', 'n' || n, json_build_object('label', 'n' || n, 'owner',
          '${OTHER}', 'cid', '${ONE}', 'sequence', 1, 'since', 0, 'takenAt', 0, 'uncoveredSince',
          null, 'moves', '[]'::json)::text, 1000 + n
        FROM generate_series(2, ${REGISTERED_NAMES_MAX}) n;
      UPDATE shared_head SET seq = 1000 + ${REGISTERED_NAMES_MAX};
    `);
    await one.replica.sync();
    await assert.rejects(one.change("blog", ONE, 1), { code: "overloaded" });
    world.clock.ms += 2 * DAY_MS;
    assert.ok(await one.change("blog", ONE, 1));
    assert.deepEqual([one.register.sequence("gone"), one.register.has("blog")], [0, true]);
    const [gone] = await world.database.ask("SELECT value FROM shared_rows WHERE key = 'gone'");
    assert.deepEqual(gone, { value: null });
  },
});

const label = fc.constantFrom("a", "b", "c");
const step = fc.record({
  nodes: fc.uniqueArray(fc.nat(2), { minLength: 1 }),
  label,
  cid: fc.constantFrom<CidText | "">(ONE, TWO, ""),
  owner: fc.constantFrom(OWNER!, OTHER!),
  beats: fc.nat(2),
});

Deno.test({
  name: "whatever is changed where, each change of a name was made once, and all know the same",
  ignore,
  async fn() {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { size: "max", maxLength: 20 }), async (steps) => {
        await using world = await openWorld();
        const nodes = await Promise.all(["0", "1", "2"].map(world.node));
        const made: string[] = [];
        for (const { nodes: at, label, cid, owner, beats } of steps) {
          await Promise.all(at.map(async (nth) => {
            const { register, change } = nodes[nth]!;
            const sequence = register.sequence(label) + 1;
            const done = await change(label, cid, sequence, owner).catch(() => null);
            if (done) made.push(`${label} ${sequence}`);
          }));
          await nodes[beats]!.replica.sync();
        }
        for (const { replica } of nodes) await replica.sync();
        assert.equal(new Set(made).size, made.length, made.join());
        const [first, ...others] = nodes.map(rowsOf);
        for (const other of others) assert.deepEqual(other, first);
      }),
      { numRuns: Number(Deno.env.get("KHACHAPURI_RUNS") ?? 5) },
    );
  },
});
