import assert from "node:assert/strict";
import { join } from "node:path";
import { getAddress } from "viem";
import { type BooksNodeOptions, openBooksNode } from "../../../worlds/fleet_books.ts";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { makeFolder } from "../../../worlds/home.ts";
import type { DenialWish } from "./denial.ts";
import { DenialBook } from "./denial_book.ts";
import { Denials } from "./denials.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;
const wishOf = (nth: number, reason = "phishing"): DenialWish => ({
  kind: "owner",
  what: getAddress(`0x${String(nth).repeat(40)}`),
  reason,
  note: null,
  until: null,
});
const [OWNER, OTHER] = [wishOf(1), wishOf(2)];

async function openWorld() {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await freshDatabase(SERVER!));
  const { dir } = stack.use(await makeFolder());
  const owned = stack.move();
  return {
    ...world,
    async node(name: string, options: Omit<BooksNodeOptions, "dir"> = {}) {
      const database = await world.open();
      return owned.use(await openBooksNode(database, { dir: join(dir, name), ...options }));
    },
    /** The book of a node that does not run, as the command line changes it. */
    async book(name: string, change: (denials: Denials) => void) {
      await Deno.mkdir(join(dir, name), { recursive: true });
      const book = DenialBook.open(join(dir, name, "denials.db"));
      change(new Denials({ book, now: () => 5 }));
      book.close();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test({
  name:
    "whom one node denies all refuse with their next beats, under one number, until any lifts it",
  ignore,
  async fn() {
    await using world = await openWorld();
    const [one, two] = [await world.node("one"), await world.node("two")];
    const denial = await one.books.denials.deny(OWNER);
    assert.throws(() => one.own.assertOwner(OWNER.what as never), { code: "denied" });
    await two.books.beat();
    assert.throws(() => two.own.assertOwner(OWNER.what as never), { code: "denied" });
    assert.deepEqual([one.denied, two.denied], [[denial], [denial]], "what runs is ended");
    const lifted = await two.books.denials.lift(denial.id);
    await one.books.beat();
    one.own.assertOwner(OWNER.what as never);
    assert.deepEqual({ ...one.own.all()[0] }, lifted);
    assert.deepEqual([one.denied.length, two.denied.length], [1, 1]);
    assert.deepEqual(
      { ...await one.books.denials.lift(denial.id) },
      lifted,
      "once more changes nothing",
    );
    await assert.rejects(one.books.denials.lift(9), { code: "not_found" });
  },
});

Deno.test({
  name: "denials of nodes that do not know of each other have numbers of their own, and none twice",
  ignore,
  async fn() {
    await using world = await openWorld();
    const nodes = [await world.node("one"), await world.node("two"), await world.node("three")];
    const wishes = [OWNER, OTHER, { ...OWNER, reason: "spam" }];
    const made = await Promise.all(nodes.map(({ books }, nth) => books.denials.deny(wishes[nth]!)));
    for (const { books } of nodes) await books.beat();
    const all = nodes.map(({ own }) => own.all());
    for (const each of all) assert.deepEqual(each, all[0]);
    assert.deepEqual(all[0]!.map(({ id, what }) => [id, what]).sort(), [
      [1, made.find(({ id }) => id === 1)!.what],
      [2, made.find(({ id }) => id === 2)!.what],
    ]);
    assert.equal(made[0]!.id, made[2]!.id, "the one that there was is changed");
  },
});

Deno.test({
  name: "what an operator changed while a node did not run counts everywhere once it does",
  ignore,
  async fn() {
    await using world = await openWorld();
    await world.book("one", (denials) => {
      denials.deny(OWNER);
      denials.deny(OTHER);
      denials.lift(2);
    });
    const one = await world.node("one");
    const two = await world.node("two");
    assert.deepEqual(two.own.all(), one.own.all());
    assert.equal(two.own.all()[1]!.lifted, 5);

    // Two did not run: one number there is another's in the fleet by now.
    await world.book("two", (denials) => {
      denials.deny({ ...OWNER, reason: "spam" });
      denials.deny(wishOf(3));
    });
    await one.books.denials.deny(wishOf(4));
    const again = await world.node("two");
    await one.books.beat();
    for (const { own } of [one, again]) {
      assert.deepEqual(own.all().map(({ id, what, reason }) => [id, what, reason]), [
        [1, OWNER.what, "spam"],
        [2, OTHER.what, "phishing"],
        [3, wishOf(4).what, "phishing"],
        [4, wishOf(3).what, "phishing"],
      ]);
    }
  },
});
