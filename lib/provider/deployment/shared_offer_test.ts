import assert from "node:assert/strict";
import { join } from "node:path";
import {
  type BooksNodeOptions,
  configured,
  deploymentOf,
  openBooksNode,
} from "../../../worlds/fleet_books.ts";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { makeFolder } from "../../../worlds/home.ts";
import type { CidText } from "../../cid.ts";
import { KEEP_FOREVER, KEEP_NOTHING } from "../../keep.ts";
import { tariffsIn } from "./agreements.ts";
import { recordsPath } from "./records.ts";
import { offerAt } from "./shared_offer.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;
const KEPT = { keep: { price: KEEP_FOREVER, terms: KEEP_NOTHING } };

async function openWorld() {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await freshDatabase(SERVER!));
  const { dir } = stack.use(await makeFolder());
  const owned = stack.move();
  const node = async (name: string, options: Omit<BooksNodeOptions, "dir"> = {}) => {
    const database = await world.open();
    return owned.use(await openBooksNode(database, { dir: join(dir, name), ...options }));
  };
  return { ...world, dir, node, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

type Node = Awaited<ReturnType<Awaited<ReturnType<typeof openWorld>>["node"]>>;

/** What a node asks, of everybody and in its tariffs, and the texts that it gives out. */
function offeredBy({ current, records: { tariffs, database } }: Node) {
  const texts = [...current.terms.values()].map((text) => new TextDecoder().decode(text));
  const of = tariffs.priceOf("bafynew" as CidText);
  return [current.price, of, tariffsIn(database).map(({ price }) => price), texts];
}

Deno.test({
  name: "a node takes what its fleet offers, whatever it is configured for",
  ignore,
  async fn() {
    await using world = await openWorld();
    const one = await world.node("one", { configured: configured(7n, ["old\n"]) });
    assert.equal(one.books.isAsConfigured, true);
    const two = await world.node("two", { configured: configured(9n, ["new\n"], KEPT) });
    assert.equal(two.books.isAsConfigured, false);
    for (const node of [one, two]) assert.deepEqual(offeredBy(node), [7n, 7n, [7n], ["old\n"]]);
    assert.deepEqual(two.current.keep, one.current.keep);
  },
});

Deno.test({
  name: "a node whose configuration was changed brings its offer, which all take while they serve",
  ignore,
  async fn() {
    await using world = await openWorld();
    await world.node("one", { configured: configured(7n, ["old\n"]) });
    const two = await world.node("two", { configured: configured(7n, ["old\n"]) });
    two.records.registrations.add(deploymentOf(1));
    await two.books.beat();
    let changes = 0;
    two.current.whenChanged(() => changes++);
    const other = configured(9n, ["new\n", "old\n"], KEPT);
    const one = await world.node("one", { configured: other });
    assert.equal(one.books.isAsConfigured, true);
    await two.books.beat();
    assert.equal(changes, 1);
    for (const node of [one, two]) {
      assert.deepEqual(offeredBy(node), [9n, 9n, [7n, 9n], ["new\n", "old\n"]]);
      assert.equal(node.records.tariffs.priceOf("bafy1" as CidText), 7n, "it came earlier");
      assert.deepEqual(node.current.keep, KEPT.keep);
    }
    // One that is started with what it had before takes what is offered, and brings nothing back.
    const again = await world.node("two", { configured: configured(7n, ["old\n"]) });
    assert.equal(offeredBy(again)[0], 9n);
    // And one that is changed to the same changes nothing.
    await world.node("two", { configured: other });
    await one.books.beat();
    assert.deepEqual(offeredBy(one)[2], [7n, 9n]);
  },
});

Deno.test({
  name: "two nodes that bring other offers at once bring one after the other, numbered alike",
  ignore,
  async fn() {
    await using world = await openWorld();
    const prices = [7n, 8n, 9n];
    for (const price of prices) await world.node(`${price}`);
    const opened = prices.map((price) =>
      world.node(`${price}`, { configured: configured(price + 10n) })
    );
    const nodes = await Promise.all(opened);
    for (const node of nodes) await node.books.beat();
    const offers = nodes.map(offeredBy);
    for (const offer of offers) assert.deepEqual(offer, offers[0]);
    const [price, , tariffs] = offers[0]!;
    assert.deepEqual((tariffs as bigint[]).toSorted((a, b) => Number(a - b)), [7n, 17n, 18n, 19n]);
    assert.equal((tariffs as bigint[]).at(-1), price);
  },
});

Deno.test({
  name: "of nodes that begin a fleet at once one says what is offered",
  ignore,
  async fn() {
    await using world = await openWorld();
    const opened = [7n, 8n, 9n].map((price) =>
      world.node(`${price}`, { configured: configured(price, [`${price}\n`]) })
    );
    const offers = (await Promise.all(opened)).map(offeredBy);
    for (const offer of offers) assert.deepEqual(offer, offers[0]);
    assert.equal((offers[0]![2] as bigint[]).length, 1);
  },
});

Deno.test({
  name: "only how long a change is kept may change, too, and the order in which texts are told",
  ignore,
  async fn() {
    await using world = await openWorld();
    await world.node("one", { configured: configured(7n, ["a\n", "b\n"]) });
    const two = await world.node("two");
    await world.node("one", { configured: configured(7n, ["b\n", "a\n"], KEPT) });
    await two.books.beat();
    assert.deepEqual(offeredBy(two), [7n, 7n, [7n], ["b\n", "a\n"]]);
    assert.deepEqual(two.current.keep, KEPT.keep);
  },
});

Deno.test({
  name:
    "a node that joins with a history of its own has the fleet's, and its deployments what fits",
  ignore,
  async fn() {
    await using world = await openWorld();
    const seconds = { now: 10_000 };
    const now = () => seconds.now;
    const database = await world.open();
    const alone = { dir: join(world.dir, "joins"), now };
    // A fleet of its own, so that it has tariffs and deployments.
    await using elsewhere = await freshDatabase(SERVER!);
    for (const price of [7n, 8n, 9n]) {
      const asked = configured(price, ["a\n"], KEPT);
      const node = await openBooksNode(elsewhere.database, { ...alone, configured: asked });
      node.records.registrations.add(deploymentOf(Number(price)));
      await node[Symbol.asyncDispose]();
      seconds.now += 10_000;
    }
    // The same first tariff, and another second one.
    seconds.now = 10_000;
    await world.node("one", { configured: configured(7n, ["a\n"], KEPT), now });
    seconds.now = 90_000;
    const one = await world.node("one", { configured: configured(11n, ["a\n"], KEPT), now });
    const asked = configured(9n, ["a\n"], KEPT);
    await using joins = await openBooksNode(database, { ...alone, configured: asked });
    await one.books.beat();
    for (const { records: { tariffs } } of [one, joins]) {
      const pays = [7, 8, 9].map((number) => tariffs.priceOf(`bafy${number}` as CidText));
      assert.deepEqual(pays, [7n, 11n, 11n]);
    }
  },
});

Deno.test({
  name: "doctor judges by the fleet's offer, unless the configuration was changed since",
  ignore,
  async fn() {
    await using world = await openWorld();
    await world.node("one", { configured: configured(7n) });
    // Where the command line looks for the records of a state directory.
    const [state, asked] = [join(world.dir, "two"), configured(9n, ["two\n"])];
    const path = recordsPath(state);
    assert.equal(offerAt(path, asked.offer, "known").price, 9n, "no fleet yet");
    await using _ = await openBooksNode(world.database, {
      dir: join(state, "book"),
      configured: asked,
    });
    assert.deepEqual(offerAt(path, asked.offer, "known"), configured(7n).offer);
    const unknown = { ...asked.offer, terms: [] };
    assert.deepEqual(offerAt(path, unknown, "unknown"), { ...configured(7n).offer, terms: [] });
    for (const changed of [configured(10n, ["two\n"]), configured(9n, ["three\n"])]) {
      assert.deepEqual(offerAt(path, changed.offer, "known"), changed.offer);
    }
  },
});
