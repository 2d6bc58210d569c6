/** Preholds that nobody takes, sweep by sweep. */
import assert from "node:assert/strict";
import {
  drawOf,
  OTHER_CID,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  permitOf,
  PRICE,
} from "../../../worlds/ledger.ts";
import type { PayerView } from "./judge.ts";
import type { Entry } from "./journal.ts";
import { PreholdBook } from "./prehold.ts";

const VIEW = {} as PayerView;
const DRAW = drawOf();
const [SAME_LANE, OTHERS] = [drawOf({ cid: OTHER_CID }), drawOf({ payer: OTHER_PAYER })];

/** A book whose timers run when the test says so. */
function openBook() {
  const timers: (() => void)[] = [];
  const cleared: unknown[] = [];
  const { setTimeout, clearTimeout } = globalThis;
  Object.assign(globalThis, {
    setTimeout: (run: () => void) => timers.push(run),
    clearTimeout: (id: unknown) => void cleared.push(id),
  });
  const entries: Entry[] = [];
  const book = new PreholdBook({
    write: (more) => Promise.resolve(void entries.push(...more)),
    mark: () => 0,
    isOnDisk: () => true,
  });
  let next = 1;
  return {
    book,
    entries,
    timers,
    cleared,
    /** A call that leaves a credit held for the next one. */
    hold(draw = DRAW): void {
      const pool = book.poolOf(draw);
      pool.take(draw.price, VIEW);
      pool.add(draw.price, next++);
    },
    sweep: () => timers.at(-1)!(),
    [Symbol.dispose]: () => void Object.assign(globalThis, { setTimeout, clearTimeout }),
  };
}

Deno.test("a pool that no call uses is forgotten, its neighbour's credits still count", () => {
  using opened = openBook();
  const { book, hold, sweep } = opened;
  const idle = book.poolOf(DRAW);
  for (let turn = 1; turn < 5; turn++) {
    hold(SAME_LANE);
    sweep();
    assert.ok(book.ofPayer(PAYER) > 0n);
    assert.equal(book.onLane(PAYER, DRAW.lane), book.ofPayer(PAYER));
  }
  assert.notEqual(book.poolOf(DRAW), idle);
  book.giveBack(PAYER);
  assert.deepEqual([book.ofPayer(PAYER), book.amount()], [0n, 0n]);
});

Deno.test("what is given back is one payer's, on whichever lanes", () => {
  using opened = openBook();
  const { book, hold } = opened;
  const lane = OTHER_LANE;
  for (const draw of [DRAW, drawOf({ lane, permit: permitOf({ lane }) }), OTHERS]) hold(draw);
  assert.deepEqual([book.ofPayer(PAYER), book.onLane(PAYER, lane)], [2n, 1n]);
  book.giveBack(PAYER);
  assert.deepEqual([book.ofPayer(PAYER), book.onLane(PAYER, lane)], [0n, 0n]);
  assert.deepEqual([book.ofPayer(OTHER_PAYER), book.amount()], [1n, PRICE]);
  book.giveBack(OTHER_PAYER);
  assert.equal(book.amount(), 0n);
});

Deno.test("a timer runs while there are pools, one at a time", () => {
  using opened = openBook();
  const { book, timers, hold, sweep } = opened;
  assert.equal(timers.length, 0);
  hold();
  hold(OTHERS);
  assert.equal(timers.length, 1);
  sweep();
  assert.equal(timers.length, 2);
  sweep();
  assert.deepEqual([timers.length, book.amount()], [2, 0n], "both have gone");
  hold();
  assert.equal(timers.length, 3);
});

Deno.test("closing clears the timer that runs, and begins none", () => {
  using opened = openBook();
  const { book, timers, cleared, hold } = opened;
  hold();
  book.close();
  assert.deepEqual([cleared, book.amount()], [[1], 0n]);
  hold(OTHERS);
  assert.equal(timers.length, 1);
  using unused = openBook();
  unused.book.close();
  assert.deepEqual(unused.cleared, []);
});
