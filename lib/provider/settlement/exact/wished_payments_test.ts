/** How the leader takes up what is wished for; fleet_settler_test.ts has it do so on a chain. */
import assert from "node:assert/strict";
import { KhachapuriError } from "../../../errors.ts";
import { hearLog } from "../../../../worlds/heard_log.ts";
import { aWhile } from "../../../../worlds/turns.ts";
import type { Purchase } from "../../ledger/purchase_rows.ts";
import type { Wish, WishKind } from "../../ledger/postgres/purchase_wishes.ts";
import { WishedPayments } from "./wished_payments.ts";

const wish = (id: number, kind: WishKind = "settle"): Wish => ({
  kind,
  word: `${kind} ${id}`,
  purchase: { id } as Purchase,
});

/** A leader, and what is wished of it. */
function openLeader() {
  const played = {
    /** What a look finds. */
    open: [] as Wish[],
    /** What it waits for first. */
    before: null as Promise<void> | null,
    looks: 0,
    settled: [] as string[],
    told: [] as [word: string, failure: unknown][],
    outcome: Promise.withResolvers<Purchase>(),
  };
  const settle = (kind: WishKind, id: number) => {
    played.settled.push(`${kind} ${id}`);
    return played.outcome.promise;
  };
  const wished = new WishedPayments({
    term: { session: 1, term: 1 },
    log: hearLog().log,
    settlement: {
      settle: ({ id }) => settle("settle", id),
      hasCome: ({ id }) => settle("look", id).then(() => true),
    },
    wishes: {
      async open() {
        played.looks += 1;
        const found = [...played.open];
        await played.before;
        return found;
      },
      tell(_, { word }, failure) {
        played.told.push([word, failure]);
        played.open = played.open.filter((one) => one.word !== word);
        return Promise.resolve();
      },
    },
  });
  return { played, wished };
}

Deno.test("each is taken up once, and its outcome told", async () => {
  const { played, wished } = openLeader();
  played.open = [wish(1), wish(2, "look")];
  await wished.pickUp();
  played.open.push(wish(3));
  await wished.pickUp();
  assert.deepEqual(played.settled, ["settle 1", "look 2", "settle 3"]);
  assert.deepEqual(played.told, []);
  played.outcome.resolve({} as Purchase);
  await aWhile();
  assert.deepEqual(played.told.sort(), [["look 2", null], ["settle 1", null], ["settle 3", null]]);
  await wished.close();
});

Deno.test("why it came to nothing is told", async () => {
  const { played, wished } = openLeader();
  const failure = new KhachapuriError("payment_required", "no money");
  played.open = [wish(1)];
  await wished.pickUp();
  played.outcome.reject(failure);
  await aWhile();
  assert.deepEqual(played.told, [["settle 1", failure]]);
  await wished.close();
});

Deno.test("what was told while a look went on is not taken up again by it", async () => {
  const { played, wished } = openLeader();
  played.open = [wish(1)];
  await wished.pickUp();
  const reading = Promise.withResolvers<void>();
  played.before = reading.promise;
  const look = wished.pickUp();
  await aWhile();
  played.outcome.resolve({} as Purchase);
  await aWhile();
  assert.equal(played.told.length, 1);
  reading.resolve();
  await look;
  assert.deepEqual(played.settled, ["settle 1"]);
  // By the same word it is another wish once a look has missed it.
  await wished.pickUp();
  played.open = [wish(1)];
  await wished.pickUp();
  assert.deepEqual(played.settled, ["settle 1", "settle 1"]);
  await wished.close();
});

Deno.test("looks do not pile up, and one that fails is followed by the next", async () => {
  const { played, wished } = openLeader();
  const reading = Promise.withResolvers<void>();
  reading.promise.catch(() => {});
  played.before = reading.promise;
  const looks = [1, 2, 3, 4].map(() => wished.pickUp());
  await aWhile();
  looks.push(wished.pickUp(), wished.pickUp());
  reading.reject(new Error("away"));
  played.before = null;
  played.open = [wish(1)];
  await Promise.all(looks);
  assert.equal(played.looks, 2);
  assert.deepEqual(played.settled, ["settle 1"]);
  await wished.close();
});

Deno.test("who leads no more takes up nothing, and tells nothing: that is the next leader's", async () => {
  const { played, wished } = openLeader();
  wished.start();
  played.open = [wish(1)];
  await wished.pickUp();
  await wished.close();
  played.outcome.reject(new KhachapuriError("payment_required", "the settlement closes"));
  played.open.push(wish(2));
  await wished.pickUp();
  await aWhile();
  assert.deepEqual(played.told, []);
  assert.deepEqual(played.settled, ["settle 1"]);
});
