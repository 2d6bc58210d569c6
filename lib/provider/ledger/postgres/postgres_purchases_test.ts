/** What the nodes of a fleet promise together; purchase_book_test.ts tries one of them alone. */
import assert from "node:assert/strict";
import { KhachapuriError } from "../../../errors.ts";
import {
  EXACT_OUT_MAX,
  EXACT_REVERTED_WAIT_MS,
  PURCHASE_UNPAID_KEPT_MS,
} from "../../../limits_of_exact.ts";
import {
  type FleetDatabase,
  freshDatabase,
  startFleetServer,
} from "../../../../worlds/fleet_database.ts";
import {
  ANNA,
  beginSession,
  BLOCK,
  bookOf,
  endSession,
  idOf,
  lead,
  orderOf,
  PROVIDER,
  reasonOf,
  RICH,
  setDatabaseClock,
  TX,
} from "../../../../worlds/purchase_books.ts";
import type { Database } from "../../fleet/database.ts";
import { LeadersPurchases } from "./leaders_purchases.ts";
import type { PostgresPurchases } from "./postgres_purchases.ts";
import type { Ordered, OrderRefusal } from "../purchase_book.ts";
import { PurchaseWishes } from "./purchase_wishes.ts";

const SERVER = await startFleetServer();

interface Node {
  readonly session: number;
  readonly book: PostgresPurchases;
}

function testNodes(
  name: string,
  use: (world: FleetDatabase, nodes: readonly Node[]) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using world = await freshDatabase(SERVER!);
      const nodes = [];
      for (let n = 0; n < 2; n++) {
        const database = await world.open();
        const session = await beginSession(database);
        nodes.push({ session, book: bookOf(database, session) });
      }
      await use(world, nodes);
    },
  });
}

const taken = (ordered: readonly Ordered[]) => ordered.filter((one) => "purchase" in one);
const refusals = (ordered: readonly Ordered[]) =>
  new Set(ordered.filter((one) => "refusal" in one).map(reasonOf));

testNodes(
  "of all that order one payment at once, at whichever node, one has it",
  async (_, nodes) => {
    for (let n = 1; n <= 10; n++) {
      const orders = [0, 1, 0, 1, 0, 1].map((at) => nodes[at]!.book.order(orderOf(n), RICH));
      const ordered = await Promise.all(orders);
      assert.equal(taken(ordered).length, 1);
      assert.deepEqual([...refusals(ordered)], ["running"]);
    }
  },
);

testNodes("what a payer holds is promised once, by all nodes together", async (_, nodes) => {
  const funds = { balance: 45n, since: Infinity };
  for (let round = 0; round < 8; round++) {
    const all = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => {
      const { book } = nodes[n % 2]!;
      return book.order(orderOf(100 * round + n), funds).then((ordered) => ({ book, ordered }));
    });
    const orders = await Promise.all(all);
    assert.equal(taken(orders.map(({ ordered }) => ordered)).length, 4);
    assert.equal(await nodes[0]!.book.promised(ANNA, Infinity), 40n);
    for (const { book, ordered } of orders) {
      if ("purchase" in ordered) await book.letGo(ordered.purchase.id);
    }
  }
});

testNodes(
  "a run is its node's until that is over, and then nothing of it counts",
  async (world, nodes) => {
    const [dead, next] = nodes as [Node, Node];
    const order = orderOf(1);
    const id = idOf(await dead.book.order(order, RICH));
    assert.equal(reasonOf(await next.book.order(order, RICH)), "running");
    assert.equal(await next.book.isAnswering(id), true);
    await world.database.ask("UPDATE sessions SET until = now() - interval '1 s' WHERE id = $1", [
      dead.session,
    ]);
    assert.equal(await next.book.isAnswering(id), false);
    assert.equal(await next.book.promised(ANNA, Infinity), 0n);
    const lost = await dead.book.order(orderOf(2), RICH).catch((error) => error);
    assert.ok(lost instanceof KhachapuriError && lost.code === "database_unavailable");
    assert.equal(idOf(await next.book.order(order, RICH)), id);
    // It was silent, and is not dead at all.
    await assert.rejects(dead.book.answered(id, "answered", null), /another run's/);
    await dead.book.letGo(id);
    assert.equal(reasonOf(await next.book.order(order, RICH)), "running");
    await next.book.answered(id, "failed", null);
    assert.equal((await dead.book.numbered(id))!.outcome, "failed");
    await next.book.letGo(id);
    await endSession(world.database, next.session);
    assert.equal(await dead.book.isAnswering(id), true, "it was answered");
  },
);

testNodes(
  "an answer of a node that was taken to be dead counts, where nobody else gave one",
  async (world, nodes) => {
    const [silent, other] = nodes as [Node, Node];
    const id = idOf(await silent.book.order(orderOf(1), RICH));
    await endSession(world.database, silent.session);
    await silent.book.answered(id, "answered", null);
    assert.equal(reasonOf(await other.book.order(orderOf(1), RICH)), "answered");
  },
);

testNodes("an order whose answer was lost for good is nobody's run", async (world, [node]) => {
  const { database } = world;
  let isDeaf = true;
  const deaf = {
    ask: async (...asked: Parameters<Database["ask"]>) => {
      const rows = await database.ask(...asked);
      const isOrder = asked[0].includes("order");
      if (isOrder && isDeaf) throw new KhachapuriError("database_unavailable", "away");
      return rows;
    },
  } as Database;
  const book = bookOf(deaf, node!.session);
  await assert.rejects(book.order(orderOf(1), RICH), { code: "database_unavailable" });
  isDeaf = false;
  const known = (await book.find(orderOf(1).authorization))!;
  while (await book.isAnswering(known.id));
  assert.equal(idOf(await book.order(orderOf(1), RICH)), known.id);
});

testNodes(
  "whose payment was reverted waits at every node, longer each time",
  async (world, nodes) => {
    const [one, two] = nodes as [Node, Node];
    const { database } = world;
    await setDatabaseClock(database, 1_000);
    const leader = new LeadersPurchases(database, one.book, await lead(database, one.session));
    const owed = idOf(await one.book.order(orderOf(1), RICH));
    await one.book.letGo(owed);
    await leader.noteReverted(ANNA);
    const waitOf = async (n: number) => {
      const ordered = await two.book.order(orderOf(n), RICH);
      return "refusal" in ordered ? ordered.refusal : null;
    };
    const reverted = (waitMs: number): OrderRefusal => ({ reason: "reverted", waitMs });
    assert.deepEqual(await waitOf(2), reverted(EXACT_REVERTED_WAIT_MS));
    assert.deepEqual(await waitOf(1), reverted(EXACT_REVERTED_WAIT_MS));
    idOf(await two.book.order(orderOf(1, {}, PROVIDER), RICH));
    // What has come is answered all the same.
    await leader.paid(owed, TX, BLOCK);
    assert.equal(idOf(await two.book.order(orderOf(1), null)), owed);
    await setDatabaseClock(database, 1_000 + EXACT_REVERTED_WAIT_MS);
    assert.equal(await waitOf(2), null);
    await leader.noteReverted(ANNA);
    assert.deepEqual(await waitOf(3), reverted(2 * EXACT_REVERTED_WAIT_MS));
  },
);

testNodes(
  "where as many are to be settled as may be, no node takes more",
  async (world, [node]) => {
    const { book } = node!;
    const wishes = new PurchaseWishes(world.database);
    const ids = [];
    for (let n = 1; n <= EXACT_OUT_MAX; n++) {
      const id = idOf(await book.order(orderOf(n), RICH));
      await wishes.wish(id, "settle", book.runOf(id)!);
      ids.push(id);
    }
    const more = () => book.order(orderOf(EXACT_OUT_MAX + 1), RICH);
    assert.equal(reasonOf(await more()), "full");
    const leader = await lead(world.database, node!.session);
    const [first] = await wishes.open(leader);
    await wishes.tell(leader, first!, null);
    idOf(await more());
  },
);

testNodes("figures are read in the background", async (_, [node]) => {
  const { book } = node!;
  assert.deepEqual(book.figures(), { sent: 0, oldestMs: 0, unanswered: 0 });
  idOf(await book.order(orderOf(1), RICH));
  assert.deepEqual(await book.readFigures(), book.figures());
});

testNodes("payments that nobody paid go, however many there are", async ({ database }, [one]) => {
  await setDatabaseClock(database, 1_000);
  const { book } = one!;
  const first = idOf(await book.order(orderOf(1), RICH));
  await book.letGo(first);
  await database.ask(
    `INSERT INTO purchases (chain, asset, payer, nonce, pay_to, value, valid_after, valid_before,
        signature, cid, request, block, at, run)
      SELECT chain, asset, payer, nonce || nr, pay_to, value, valid_after, valid_before,
        signature, cid, request, block, at, run
      FROM purchases, generate_series(1, 1100) AS nr`,
  );
  await setDatabaseClock(database, 1_000 + PURCHASE_UNPAID_KEPT_MS);
  await book.purge();
  const [left] = await database.ask<{ rows: number }>(
    "SELECT count(*)::int4 AS rows FROM purchases",
  );
  assert.equal(left!.rows, 0);
});
