import assert from "node:assert/strict";
import { join } from "node:path";
import {
  type BooksNodeOptions,
  configured,
  deploymentOf,
  numberedId,
  openBooksNode,
  ownerOf,
} from "../../../worlds/fleet_books.ts";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { makeFolder } from "../../../worlds/home.ts";
import type { CidText } from "../../cid.ts";
import { UNPAID_RENEWALS_MAX } from "../../limits.ts";
import { deploymentLane, type Permit } from "../../permit.ts";
import { permitOf } from "../../../worlds/ledger.ts";
import { SharedLog } from "../fleet/shared_log.ts";
import { readSealedTo } from "./sealed_to.ts";
import { openRecords } from "./records.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

async function openWorld() {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await freshDatabase(SERVER!));
  const { dir } = stack.use(await makeFolder());
  const owned = stack.move();
  return {
    ...world,
    dir,
    /** A node on files by its name; closed with the world. */
    async node(name: string, options: Omit<BooksNodeOptions, "dir"> = {}) {
      const database = await world.open();
      return owned.use(
        await openBooksNode(database, { dir: join(dir, name), ...options }),
      );
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test({
  name: "a deployment that was paid for at one node is known at all with their next beats, whole",
  ignore,
  async fn() {
    await using world = await openWorld();
    const [one, two] = [await world.node("one"), await world.node("two")];
    const deployment = deploymentOf(1);
    const { cid, spec: { owner, id }, entry: { permit, terms } } = deployment;
    one.records.registrations.add(deployment);
    assert.equal(two.records.registrations.isOwner(owner), false);
    await one.books.beat();
    await two.books.beat();
    const { registrations, agreements, tariffs } = two.records;
    assert.ok(registrations.isOwner(owner));
    assert.ok(registrations.isDeploymentLane(owner, permit.lane));
    assert.deepEqual(registrations.ofOwner(owner), [
      { cid, id, firstSeen: 1_000_000, stopped: false },
    ]);
    assert.equal(agreements.termsOf(cid), terms);
    assert.equal(tariffs.priceOf(cid), 7n);
    const [described] = registrations.abouts.listed();
    assert.deepEqual(described?.about, deployment.spec.about);
    const path = join(world.dir, "two", "deployments.db");
    assert.deepEqual([...readSealedTo(path)], [["age1…1", [cid]]]);
  },
});

Deno.test({
  name: "of two nodes that were paid at once for a first call the fleet's first was first at both",
  ignore,
  async fn() {
    await using world = await openWorld();
    const one = await world.node("one", { now: () => 5_000 });
    const two = await world.node("two", { now: () => 4_000 });
    for (const node of [one, two]) node.records.registrations.add(deploymentOf(1));
    await one.books.beat();
    await two.books.beat();
    await one.books.beat();
    const firsts = [one, two].map(({ records }) =>
      records.registrations.firstSeen("bafy1" as CidText)
    );
    assert.deepEqual(firsts, [5_000, 5_000]);
  },
});

Deno.test({
  name: "what a node had not sent when it was killed it sends when it starts again",
  ignore,
  async fn() {
    await using world = await openWorld();
    const [killed, other] = [await world.node("killed"), await world.node("other")];
    killed.records.registrations.add(deploymentOf(1));
    await killed.books.beat();
    killed.records.registrations.add(deploymentOf(2));
    // No beat and no close: the process is gone.
    await world.node("killed");
    await other.books.beat();
    assert.ok(other.records.registrations.isOwner(ownerOf(2)));
  },
});

Deno.test({
  name: "a node that was away reads on, and one with an empty disk reads all",
  ignore,
  async fn() {
    await using world = await openWorld();
    const one = await world.node("one");
    await world.node("away");
    for (let number = 1; number <= 1_200; number++) {
      one.records.registrations.add(deploymentOf(number));
    }
    await one.books.stops.add(deploymentOf(3).spec);
    const [back, fresh] = [await world.node("away"), await world.node("fresh")];
    for (const { records: { registrations, stops } } of [back, fresh]) {
      const rows = registrations.ofOwner(ownerOf(1_200));
      assert.equal(rows.length, 1);
      assert.ok(stops.has(deploymentOf(3).spec));
      assert.equal(stops.count, 1);
    }
  },
});

Deno.test({
  name: "a stop is answered when all nodes that live refuse calls, and ends what runs there",
  ignore,
  async fn() {
    await using world = await openWorld();
    const one = await world.node("one", { isLive: true });
    const two = await world.node("two", { isLive: true });
    const { spec } = deploymentOf(1);
    const since = performance.now();
    await one.books.stops.add(spec);
    const took = performance.now() - since;
    for (const { records, stopped } of [one, two]) {
      assert.ok(records.stops.has(spec));
      assert.deepEqual(stopped, [spec.id]);
    }
    assert.ok(took < 3_000, `${took} ms`);
    await one.books.stops.add(spec);
    assert.deepEqual([one.stopped, two.stopped], [[spec.id], [spec.id]], "told of once");
  },
});

Deno.test({
  name: "a stop waits for a node that is silent, until its session is over",
  ignore,
  async fn() {
    await using world = await openWorld();
    const one = await world.node("one");
    const [silent] = await world.database.ask<{ id: number }>(
      `SELECT begin_session_1('n', 'http://n', '1', '{"seen": 0}') AS id`,
    );
    let isAnswered = false;
    const stopping = one.books.stops.add(deploymentOf(1).spec).then(() => isAnswered = true);
    const isDurable = "SELECT FROM shared_rows WHERE kind = 'stop'";
    while ((await world.database.ask(isDurable)).length === 0);
    assert.equal(await new SharedLog(world.database, 1).seenElsewhere(0), 0);
    await one.books.beat();
    assert.equal(isAnswered, false);
    await world.database.ask("UPDATE sessions SET until = now() WHERE id = $1", [silent!.id]);
    await stopping;
  },
});

Deno.test({
  name: "a stop that the database did not take is none, anywhere",
  ignore,
  async fn() {
    await using world = await openWorld();
    const one = await world.node("one");
    await world.database.script("ALTER TABLE shared_head RENAME TO shared_head_gone");
    await assert.rejects(one.books.stops.add(deploymentOf(1).spec));
    assert.equal(one.records.stops.has(deploymentOf(1).spec), false);
    await world.database.script("ALTER TABLE shared_head_gone RENAME TO shared_head");
  },
});

Deno.test({
  name: "a renewed permit pays at all nodes; of two that were put at once one is told of the other",
  ignore,
  async fn() {
    await using world = await openWorld();
    const [one, two] = [await world.node("one"), await world.node("two")];
    const deployment = deploymentOf(1);
    const renewed = { ...deployment.entry.permit, price: 9n };
    const other = { ...deployment.entry.permit, price: 10n };
    assert.equal(await one.books.permits.put(renewed), true);
    assert.deepEqual(one.books.permits.of(deployment), renewed);
    assert.equal(await two.books.permits.put(other), false, "it has not heard of the first");
    assert.deepEqual(two.books.permits.of(deployment), renewed, "and has now");
    assert.equal(await two.books.permits.put(other), true);
    await one.books.beat();
    assert.deepEqual(one.records.ownerPermits.of(deployment), other);
  },
});

Deno.test({
  name: "of permits for deployments that nobody paid for so many are kept, the same at all nodes",
  ignore,
  async fn() {
    await using world = await openWorld();
    const one = await world.node("one");
    const paid = deploymentOf(1);
    one.records.registrations.add(paid);
    const loose = (number: number): Permit =>
      permitOf({ payer: ownerOf(1), lane: deploymentLane(numberedId(number)) });
    await one.books.permits.put({ ...paid.entry.permit, price: 9n });
    await one.books.permits.put(loose(11));
    // Others, as if they had come one by one.
    await world.database.script(`
      INSERT INTO shared_rows SELECT 'permit', '0xpayer:' || n, '{}', 1000 + n, true
        FROM generate_series(1, ${UNPAID_RENEWALS_MAX}) n;
      UPDATE shared_head SET seq = 1000 + ${UNPAID_RENEWALS_MAX};
    `);
    await one.books.permits.put(loose(12));
    const two = await world.node("two");
    for (const { records: { ownerPermits } } of [one, two]) {
      assert.equal(ownerPermits.textAt(loose(11)), null);
      assert.notEqual(ownerPermits.textAt(loose(12)), null);
      assert.equal(ownerPermits.of(paid).price, 9n);
    }
  },
});

Deno.test({
  name:
    "a provider that was one node brings all that it kept into its fleet, and goes back with all",
  ignore,
  async fn() {
    await using world = await openWorld();
    const path = join(world.dir, "one", "deployments.db");
    await Deno.mkdir(join(world.dir, "one"));
    const { offer } = configured(7n);
    const alone = (work: (records: ReturnType<typeof openRecords>) => void) => {
      const records = openRecords(path, { now: () => 1 });
      records.tariffs.begin(offer);
      work(records);
      records.close();
    };
    alone(({ registrations, stops, ownerPermits }) => {
      for (const number of [1, 2]) registrations.add(deploymentOf(number));
      stops.add(deploymentOf(2).spec);
      ownerPermits.put({ ...deploymentOf(1).entry.permit, price: 9n });
    });
    await world.node("one");
    const two = await world.node("two");
    const assertThere = ({ records: { registrations, stops, ownerPermits } }: typeof two) => {
      assert.equal(registrations.firstSeen("bafy1" as CidText), 1);
      assert.ok(stops.has(deploymentOf(2).spec));
      assert.equal(ownerPermits.of(deploymentOf(1)).price, 9n);
    };
    assertThere(two);
    // For a while it is one node again.
    alone(({ registrations, stops }) => {
      assert.ok(stops.has(deploymentOf(2).spec));
      registrations.add(deploymentOf(3));
      stops.add(deploymentOf(3).spec);
    });
    await world.node("one");
    await two.books.beat();
    assert.ok(two.records.stops.has(deploymentOf(3).spec));
    assertThere(two);
  },
});

Deno.test({
  name: "a database that was made anew is filled from what the nodes have",
  ignore,
  async fn() {
    await using world = await openWorld();
    const one = await world.node("one");
    one.records.registrations.add(deploymentOf(1));
    await one.books.stops.add(deploymentOf(1).spec);
    await world.database.script(`
      DELETE FROM shared_rows; UPDATE shared_head SET seq = 0, log = 'another';
    `);
    await assert.rejects(one.books.beat(), { code: "database_unavailable" });
    await world.node("one");
    const two = await world.node("two");
    assert.ok(two.records.registrations.isOwner(ownerOf(1)));
    assert.ok(two.records.stops.has(deploymentOf(1).spec));
    assert.equal(two.records.tariffs.priceOf("bafy1" as CidText), 7n);
  },
});
