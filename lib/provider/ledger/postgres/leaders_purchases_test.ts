/** What who leads may write, and who leads no more; purchase_book_test.ts tries the rest. */
import assert from "node:assert/strict";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import {
  beginSession,
  BLOCK,
  bookOf,
  idOf,
  lead,
  orderOf,
  RICH,
  TX,
} from "../../../../worlds/purchase_books.ts";
import type { Database } from "../../fleet/database.ts";
import { LeadersPurchases } from "./leaders_purchases.ts";

const SERVER = await startFleetServer();

async function leaderOf(database: Database) {
  const session = await beginSession(database);
  const calls = bookOf(database, session);
  return { calls, leader: new LeadersPurchases(database, calls, await lead(database, session)) };
}

Deno.test({
  name: "who leads no more sends nothing, and takes back nothing that another one sends",
  ignore: SERVER === null,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const { calls, leader: old } = await leaderOf(database);
    const order = async (n: number) => {
      const id = idOf(await calls.order(orderOf(n), RICH));
      await calls.letGo(id);
      return id;
    };
    const [one, two] = [await order(1), await order(2)];
    await old.sending(one);
    const { leader: next } = await leaderOf(database);
    await assert.rejects(old.sending(two), { code: "chain_unavailable" });
    assert.equal((await calls.get(two)).state, "open");
    await old.unsent(one);
    await old.free(one);
    assert.equal((await calls.get(one)).state, "sent");
    await next.sending(one);
    await old.sent(one, TX);
    assert.equal((await calls.get(one)).transaction, null, "the other's transaction is meant");
    // What the chain told is so, whoever says it.
    await old.paid(one, TX, BLOCK);
    assert.equal((await next.get(one)).state, "paid");
  },
});

Deno.test({
  name: "what comes late of an earlier sending changes nothing of the next",
  ignore: SERVER === null,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const late: (() => Promise<unknown>)[] = [];
    const slow = {
      async ask(...asked: Parameters<Database["ask"]>) {
        late.push(() => database.ask(...asked));
        return await database.ask(...asked);
      },
    } as Database;
    const { calls } = await leaderOf(database);
    const session = await beginSession(database);
    const leader = new LeadersPurchases(slow, calls, await lead(database, session));
    const id = idOf(await calls.order(orderOf(1), RICH));
    await leader.sending(id);
    await leader.sent(id, TX);
    await leader.unsent(id);
    const others = late.splice(0).slice(1);
    await leader.sending(id);
    for (const again of others) await again();
    assert.equal((await calls.get(id)).state, "sent");
  },
});
