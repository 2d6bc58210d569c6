import assert from "node:assert/strict";
import { getAddress, type Hex } from "viem";
import type { Permit } from "../../permit.ts";
import { createAhead } from "./prehold.ts";
import type { Bill } from "./bill.ts";
import type { Entry } from "../ledger/journal.ts";

const PAYER = getAddress(`0x${"11".repeat(20)}`);
const [LANE, OTHER]: [Hex, Hex] = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`];

function billFor(changes: Partial<Bill> = {}, signature: Hex = "0xaa"): Bill {
  const permit = { signature } as Permit;
  const own = { source: "owner", payer: PAYER, lane: LANE, price: 5n } as const;
  return { ...own, permit, deployment: "bafyone", deposit: null, ...changes };
}

/** Ahead on a ledger that only writes down, on a disk that is as far as `state.synced`. */
function open() {
  const entries: Entry[] = [];
  const state = { mark: 0, synced: Infinity };
  let next = 1;
  const ahead = createAhead({
    commit: (...more) => Promise.resolve(void entries.push(...more)),
    mark: () => state.mark,
    isDurable: (mark) => mark <= state.synced,
  });
  return {
    ahead,
    entries,
    state,
    /** Two calls, and a credit held for the third. */
    hold(bill: Bill): number {
      ahead.poolOf(bill).take(bill.price);
      ahead.poolOf(bill).take(bill.price);
      const reservation = next++;
      ahead.poolOf(bill).leave(bill.price, reservation);
      return reservation;
    },
    [Symbol.dispose]: () => ahead.close(),
  };
}

Deno.test("holding ahead is wanted from the second call on", () => {
  using book = open();
  const bill = billFor();
  assert.equal(book.ahead.poolOf(bill).wanted(), 0);
  assert.equal(book.ahead.poolOf(bill).take(bill.price), null);
  assert.equal(book.ahead.poolOf(bill).wanted(), 0);
  assert.equal(book.ahead.poolOf(bill).take(bill.price), null);
  assert.ok(book.ahead.poolOf(bill).wanted() > 0);
  assert.equal(book.ahead.poolOf(billFor({ deployment: "bafytwo" })).wanted(), 0);
});

Deno.test("the oldest is taken first, and more is held while the disk is behind", () => {
  using book = open();
  const { ahead, state } = book;
  const bill = billFor();
  state.synced = -1;
  /** A call, and what it leaves. */
  const call = (): { taken: number | null; left: number } => {
    const taken = ahead.poolOf(bill).take(bill.price)?.reservation ?? null;
    const left = ahead.poolOf(bill).wanted();
    for (let each = 0; each < left; each++) ahead.poolOf(bill).leave(bill.price, ++state.mark);
    return { taken, left };
  };
  call();
  assert.deepEqual(call(), { taken: null, left: 2 });
  for (let turn = 1; turn < 40; turn++) assert.deepEqual(call(), { taken: turn, left: 2 });
  state.synced = Infinity;
  for (let turn = 40; turn < 80; turn++) assert.deepEqual(call(), { taken: turn, left: 1 });
});

Deno.test("what is held is taken once, and only by a call of the same kind", () => {
  using book = open();
  const held = book.hold(billFor());
  const others = [
    billFor({ deployment: "bafytwo" }),
    billFor({ lane: OTHER }, "0xcc"),
    billFor({ price: 6n }),
    billFor({}, "0xbb"),
  ];
  for (const other of others) assert.equal(book.ahead.poolOf(other).take(other.price), null);
  assert.equal(book.ahead.ofPayer(PAYER), 1n);
  assert.equal(book.ahead.onLane(PAYER, LANE), 1n);
  assert.equal(book.ahead.onLane(PAYER, OTHER), 0n);
  assert.equal(book.ahead.amount(), 5n);
  assert.equal(book.ahead.poolOf(billFor()).take(billFor().price)?.reservation, held);
  assert.equal(book.ahead.poolOf(billFor()).take(billFor().price), null);
  assert.equal(book.ahead.ofPayer(PAYER), 0n);
  assert.equal(book.ahead.amount(), 0n);
  assert.deepEqual(book.entries, []);
});

Deno.test("no more is held than runs at a time, and nothing once it is closed", () => {
  const book = open();
  const bill = billFor();
  book.state.synced = -1;
  const pool = book.ahead.poolOf(bill);
  for (let call = 0; call < 200; call++) {
    pool.take(bill.price);
    for (let left = pool.wanted(); left > 0; left--) pool.leave(bill.price, call);
  }
  assert.equal(book.ahead.ofPayer(PAYER), 64n);
  assert.equal(pool.wanted(), 0);
  book.ahead.close();
  assert.equal(book.entries.length, 64);
  assert.equal(book.ahead.ofPayer(PAYER), 0n);
  assert.equal(pool.wanted(), 0);
});

Deno.test("a ledger that cannot be written does not keep it from closing", () => {
  const ahead = createAhead({
    commit: () => Promise.reject(new Error("no space")),
    mark: () => 0,
    isDurable: () => true,
  });
  ahead.poolOf(billFor()).take(billFor().price);
  ahead.poolOf(billFor()).leave(billFor().price, 1);
  ahead.close();
  assert.equal(ahead.ofPayer(PAYER), 0n);
});

Deno.test("what is given back counts no more, and is released in the book", () => {
  using book = open();
  const one = book.hold(billFor());
  const two = book.hold(billFor({ lane: OTHER }, "0xcc"));
  book.ahead.giveBack(getAddress(`0x${"22".repeat(20)}`));
  assert.equal(book.ahead.ofPayer(PAYER), 2n);
  book.ahead.giveBack(PAYER);
  assert.equal(book.ahead.ofPayer(PAYER), 0n);
  assert.equal(book.ahead.poolOf(billFor()).take(billFor().price), null);
  const released = book.entries.map((entry) => entry.kind === "release" && entry.reservation);
  assert.deepEqual(released, [one, two]);
});

Deno.test("closing releases everything", () => {
  const book = open();
  const held = book.hold(billFor());
  book.ahead.close();
  const reason = "unused";
  const released = { kind: "release", payer: PAYER, lane: LANE, reservation: held, reason };
  assert.deepEqual(book.entries, [released]);
});

Deno.test("what nobody takes is released soon", async () => {
  const released = Promise.withResolvers<Entry[]>();
  const ahead = createAhead({
    commit: (...entries) => Promise.resolve(released.resolve(entries)),
    mark: () => 0,
    isDurable: () => true,
  });
  const bill = billFor();
  ahead.poolOf(bill).take(bill.price);
  ahead.poolOf(bill).leave(bill.price, 7);
  // The timer that releases does not keep a process alive: this one does, until it has.
  const awake = setInterval(() => {}, 1_000);
  const [entry] = await released.promise.finally(() => clearInterval(awake));
  assert.equal(entry?.kind, "release");
  assert.equal(ahead.ofPayer(PAYER), 0n);
  ahead.close();
});
