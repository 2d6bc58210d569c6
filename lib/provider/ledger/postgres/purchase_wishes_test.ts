import assert from "node:assert/strict";
import { KhachapuriError } from "../../../errors.ts";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import {
  beginSession,
  BLOCK,
  bookOf,
  endSession,
  idOf,
  lead,
  orderOf,
  repeating,
  RICH,
  TX,
} from "../../../../worlds/purchase_books.ts";
import type { Database } from "../../fleet/database.ts";
import { LeadersPurchases, type SettlersTerm } from "./leaders_purchases.ts";
import type { PostgresPurchases } from "./postgres_purchases.ts";
import { PurchaseWishes } from "./purchase_wishes.ts";

const SERVER = await startFleetServer();
const FAILURE = new KhachapuriError("payment_required", "no money", { data: { x402Reason: "x" } });

interface Scene {
  readonly database: Database;
  /** Of a node that does not lead. */
  readonly calls: PostgresPurchases;
  readonly session: number;
  readonly wishes: PurchaseWishes;
  readonly leader: LeadersPurchases;
  readonly term: SettlersTerm;
  /** Ordered at the node. */
  order(n: number): Promise<number>;
  /** What the leader is to do. */
  open(): Promise<[kind: string, id: number][]>;
}

/** All that is said of wishes is said twice. */
function testWishes(name: string, use: (scene: Scene) => Promise<void>): void {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using world = await freshDatabase(SERVER!);
      const { database } = world;
      const session = await beginSession(database);
      const calls = bookOf(database, session);
      const term = await lead(database, await beginSession(database));
      const wishes = new PurchaseWishes(repeating(database));
      await use({
        database,
        calls,
        session,
        wishes,
        leader: new LeadersPurchases(database, calls, term),
        term,
        order: async (n) => idOf(await calls.order(orderOf(n), RICH)),
        open: async () => (await wishes.open(term)).map(({ kind, purchase: { id } }) => [kind, id]),
      });
    },
  });
}

testWishes("what a node wishes the leader finds, and what comes of it the node", async (scene) => {
  const { calls, wishes, term, order, open } = scene;
  const [one, two] = [await order(1), await order(2)];
  assert.deepEqual(await open(), []);
  await wishes.wish(one, "settle", calls.runOf(one)!);
  await wishes.wish(two, "look", "a look");
  assert.deepEqual(await open(), [["settle", one], ["look", two]]);
  const read = async () =>
    (await wishes.read([one, two])).map(({ isOver, failure }) => [isOver, failure?.message]);
  assert.deepEqual(await read(), [[false, undefined], [false, undefined]]);
  const [settle, look] = await wishes.open(term);
  await wishes.tell(term, settle!, FAILURE);
  await wishes.tell(term, look!, null);
  assert.deepEqual(await open(), []);
  assert.deepEqual(await read(), [[true, "no money"], [true, undefined]]);
  // Sent again, long after.
  await wishes.wish(one, "settle", calls.runOf(one)!);
  await wishes.wish(two, "look", "a look");
  assert.deepEqual(await open(), []);
});

testWishes("what has come is over at once", async ({ calls, wishes, leader, order, open }) => {
  const id = await order(1);
  await wishes.wish(id, "settle", calls.runOf(id)!);
  await leader.paid(id, TX, BLOCK);
  const [wished] = await wishes.read([id]);
  assert.deepEqual([wished!.isOver, wished!.purchase.state], [true, "paid"]);
  const other = await order(2);
  await leader.paid(other, TX, BLOCK);
  await wishes.wish(other, "settle", calls.runOf(other)!);
  assert.deepEqual(await open(), [["settle", id]]);
});

testWishes(
  "only the run that goes on has its payment settled, and while it lives",
  async (scene) => {
    const { database, calls, session, wishes, term, leader, order, open } = scene;
    const id = await order(1);
    const before = calls.runOf(id)!;
    await wishes.wish(id, "settle", before);
    const [old] = await wishes.open(term);
    await calls.letGo(id);
    await order(1);
    assert.deepEqual(await open(), [], "the next run's program has not started");
    await wishes.wish(id, "settle", before);
    assert.deepEqual(await open(), [], "the run before is over");
    await wishes.wish(id, "settle", calls.runOf(id)!);
    await wishes.tell(term, old!, FAILURE);
    assert.deepEqual(
      await open(),
      [["settle", id]],
      "what the one before is told is not this one's",
    );
    const sent = await order(2);
    await wishes.wish(sent, "settle", calls.runOf(sent)!);
    await leader.sending(sent);
    await endSession(database, session);
    assert.deepEqual(await open(), []);
    assert.equal((await wishes.read([id]))[0]!.isOver, true);
    assert.deepEqual((await leader.underWay()).map((one) => one.id), [sent], "it is looked after");
  },
);

testWishes("a look is one with what is wished already, and gives way to a run's", async (scene) => {
  const { calls, wishes, term, order, open } = scene;
  const id = await order(1);
  await wishes.wish(id, "look", "one");
  await wishes.wish(id, "look", "other");
  const [look] = await wishes.open(term);
  assert.equal(look!.word, "one");
  await wishes.wish(id, "settle", calls.runOf(id)!);
  await wishes.wish(id, "look", "another");
  await wishes.tell(term, look!, null);
  assert.deepEqual(await open(), [["settle", id]]);
});

testWishes("who leads no more finds nothing to do, and tells nothing", async (scene) => {
  const { database, calls, wishes, term, order, open } = scene;
  const id = await order(1);
  await wishes.wish(id, "settle", calls.runOf(id)!);
  const [wish] = await wishes.open(term);
  await lead(database, await beginSession(database));
  assert.deepEqual(await open(), []);
  await wishes.tell(term, wish!, FAILURE);
  assert.equal((await wishes.read([id]))[0]!.isOver, false);
});

testWishes("while somebody wishes for one, it is not looked after beside", async (scene) => {
  const { calls, wishes, leader, term, order } = scene;
  const id = await order(1);
  await wishes.wish(id, "settle", calls.runOf(id)!);
  await leader.sending(id);
  assert.deepEqual(await leader.underWay(), []);
  const [wish] = await wishes.open(term);
  await wishes.tell(term, wish!, FAILURE);
  assert.deepEqual((await leader.underWay()).map((one) => one.id), [id]);
});
