/** The preholds for one kind of call: how many are wanted, and who counts them. */
import assert from "node:assert/strict";
import { ID, PRICE } from "../../../worlds/ledger.ts";
import type { PayerView } from "./judge.ts";
import type { Entry } from "./journal.ts";
import { Pool } from "./prehold.ts";

const VIEW = {} as PayerView;

/** Pools of one payer on one lane, and what they are summed up in. */
function openSums({ isOnDisk } = { isOnDisk: () => true }) {
  const entries: Entry[] = [];
  const ofPayer = { credits: 0n, pools: 0, view: null as PayerView | null };
  const onLane = { credits: 0n, pools: 0 };
  const totals = { amount: 0n, isClosed: false };
  const store = {
    write: (more: readonly Entry[]) => Promise.resolve(void entries.push(...more)),
    mark: () => 0,
    isOnDisk,
  };
  const open = () => new Pool(ID, store, ofPayer, onLane, totals);
  return { open, entries, ofPayer, onLane, totals };
}

Deno.test("each pool counts in the sums of its payer and of its lane", () => {
  const { open, ofPayer, onLane, totals } = openSums();
  const [first, second] = [open(), open()];
  assert.deepEqual([ofPayer.pools, onLane.pools], [2, 2]);
  first.add(PRICE, 1);
  second.add(3n, 2);
  assert.deepEqual([ofPayer.credits, onLane.credits, totals.amount], [2n, 2n, PRICE + 3n]);
  first.giveBack();
  assert.deepEqual([ofPayer.credits, onLane.credits, totals.amount], [1n, 1n, 3n]);
});

Deno.test("every call that found none wants one more, once", () => {
  const pool = openSums().open();
  for (let call = 0; call < 3; call++) pool.take(PRICE, VIEW);
  assert.deepEqual([1, 2, 3, 4].map(() => pool.wanted()), [2, 2, 1, 1]);
});

Deno.test("where there is room for one, one is wanted, whatever was missing", () => {
  const pool = openSums().open();
  for (let call = 0; call < 2; call++) pool.take(PRICE, VIEW);
  pool.add(PRICE, 1);
  assert.equal(pool.wanted(), 1);
  pool.add(PRICE, 2);
  assert.equal(pool.wanted(), 0);
});

Deno.test("the second call takes what is there, at its price", () => {
  const pool = openSums().open();
  assert.equal(pool.take(PRICE, VIEW), null);
  pool.add(PRICE, 7);
  pool.add(PRICE, 8);
  assert.equal(pool.take(PRICE, VIEW)?.reservation, 7);
  assert.equal(pool.take(PRICE + 1n, VIEW), null);
  assert.equal(pool.take(PRICE, VIEW)?.reservation, 8);
});

Deno.test("a pool is used while calls come or something is held, and not after", () => {
  const pool = openSums().open();
  assert.equal(pool.sweep(), false);
  pool.take(PRICE, VIEW);
  assert.deepEqual([pool.sweep(), pool.sweep()], [true, false]);
  pool.take(PRICE, VIEW);
  assert.deepEqual([pool.sweep(), pool.sweep()], [true, false]);
});

Deno.test("what no call takes is released by the second sweep that sees it, younger ones stay", () => {
  const { open, entries, totals } = openSums();
  const pool = open();
  pool.add(PRICE, 1);
  assert.equal(pool.sweep(), true);
  pool.add(PRICE, 2);
  assert.equal(pool.sweep(), true);
  const released = () => entries.map((entry) => "reservation" in entry && entry.reservation);
  assert.deepEqual(released(), [1]);
  assert.equal(totals.amount, PRICE);
  assert.equal(pool.sweep(), false);
  assert.deepEqual(released(), [1, 2]);
  assert.deepEqual(entries[0], { kind: "release", ...ID, reservation: 1, reason: "unused" });
});

Deno.test("a pool that has grown to its most fills again after what it held was released", () => {
  const { open, ofPayer } = openSums({ isOnDisk: () => false });
  const pool = open();
  let next = 1;
  for (let time = 0; time < 5; time++) {
    // Sixteen calls at a time, each of which would wait for the disk.
    for (let round = 0; round < 20; round++) {
      for (let call = 0; call < 16; call++) pool.take(PRICE, VIEW);
      for (let call = 0; call < 16; call++) {
        for (let wanted = pool.wanted(); wanted > 0; wanted--) pool.add(PRICE, next++);
      }
    }
    assert.equal(ofPayer.credits, 64n);
    pool.giveBack();
  }
});
