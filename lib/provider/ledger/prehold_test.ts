import assert from "node:assert/strict";
import { getAddress, type Hex } from "viem";
import type { Permit } from "../../permit.ts";
import type { CidText } from "../../cid.ts";
import type { Entry } from "./journal.ts";
import type { Draw, PayerView } from "./judge.ts";
import { PreholdBook } from "./prehold.ts";

const PAYER = getAddress(`0x${"11".repeat(20)}`);
const [LANE, OTHER]: [Hex, Hex] = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`];

const [ONE, TWO] = ["bafyone" as CidText, "bafytwo" as CidText];
const VIEW = {} as PayerView;

function drawFor(changes: Partial<Draw> = {}, signature: Hex = "0xaa"): Draw {
  const permit = { signature } as Permit;
  return { payer: PAYER, lane: LANE, price: 5n, permit, cid: ONE, ...changes };
}

/** Preholds on a store that only writes down, on a disk that is as far as `state.synced`. */
function open() {
  const entries: Entry[] = [];
  const state = { mark: 0, synced: Infinity };
  let next = 1;
  const preholds = new PreholdBook({
    write: (more) => Promise.resolve(void entries.push(...more)),
    mark: () => state.mark,
    isOnDisk: (mark) => mark <= state.synced,
  });
  return {
    preholds,
    entries,
    state,
    /** Two calls, and a credit held for the third. */
    hold(draw: Draw): number {
      preholds.poolOf(draw).take(draw.price, VIEW);
      preholds.poolOf(draw).take(draw.price, VIEW);
      const reservation = next++;
      preholds.poolOf(draw).add(draw.price, reservation);
      return reservation;
    },
    [Symbol.dispose]: () => preholds.close(),
  };
}

Deno.test("holding ahead is wanted from the second call on", () => {
  using book = open();
  const draw = drawFor();
  assert.equal(book.preholds.poolOf(draw).wanted(), 0);
  assert.equal(book.preholds.poolOf(draw).take(draw.price, VIEW), null);
  assert.equal(book.preholds.poolOf(draw).wanted(), 0);
  assert.equal(book.preholds.poolOf(draw).take(draw.price, VIEW), null);
  assert.ok(book.preholds.poolOf(draw).wanted() > 0);
  assert.equal(book.preholds.poolOf(drawFor({ cid: TWO })).wanted(), 0);
});

Deno.test("the oldest is taken first, and more is held while the disk is behind", () => {
  using book = open();
  const { preholds, state } = book;
  const draw = drawFor();
  state.synced = -1;
  /** A call, and what it leaves. */
  const call = (): { taken: number | null; left: number } => {
    const taken = preholds.poolOf(draw).take(draw.price, VIEW)?.reservation ?? null;
    const left = preholds.poolOf(draw).wanted();
    for (let each = 0; each < left; each++) preholds.poolOf(draw).add(draw.price, ++state.mark);
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
  const held = book.hold(drawFor());
  const others = [
    drawFor({ cid: TWO }),
    drawFor({ lane: OTHER }, "0xcc"),
    drawFor({ price: 6n }),
    drawFor({}, "0xbb"),
  ];
  for (const other of others) {
    assert.equal(book.preholds.poolOf(other).take(other.price, VIEW), null);
  }
  assert.equal(book.preholds.ofPayer(PAYER), 1n);
  assert.equal(book.preholds.onLane(PAYER, LANE), 1n);
  assert.equal(book.preholds.onLane(PAYER, OTHER), 0n);
  assert.equal(book.preholds.amount(), 5n);
  assert.equal(book.preholds.poolOf(drawFor()).take(drawFor().price, VIEW)?.reservation, held);
  assert.equal(book.preholds.poolOf(drawFor()).take(drawFor().price, VIEW), null);
  assert.equal(book.preholds.ofPayer(PAYER), 0n);
  assert.equal(book.preholds.amount(), 0n);
  assert.deepEqual(book.entries, []);
});

Deno.test("no more is held than runs at a time, and nothing once it is closed", () => {
  const book = open();
  const draw = drawFor();
  book.state.synced = -1;
  const pool = book.preholds.poolOf(draw);
  for (let call = 0; call < 200; call++) {
    pool.take(draw.price, VIEW);
    for (let left = pool.wanted(); left > 0; left--) pool.add(draw.price, call);
  }
  assert.equal(book.preholds.ofPayer(PAYER), 64n);
  assert.equal(pool.wanted(), 0);
  book.preholds.close();
  assert.equal(book.entries.length, 64);
  assert.equal(book.preholds.ofPayer(PAYER), 0n);
  assert.equal(pool.wanted(), 0);
});

Deno.test("a ledger that cannot be written does not keep it from closing", () => {
  const preholds = new PreholdBook({
    write: () => Promise.reject(new Error("no space")),
    mark: () => 0,
    isOnDisk: () => true,
  });
  preholds.poolOf(drawFor()).take(drawFor().price, VIEW);
  preholds.poolOf(drawFor()).add(drawFor().price, 1);
  preholds.close();
  assert.equal(preholds.ofPayer(PAYER), 0n);
});

Deno.test("what is given back counts no more, and is released in the book", () => {
  using book = open();
  const one = book.hold(drawFor());
  const two = book.hold(drawFor({ lane: OTHER }, "0xcc"));
  book.preholds.giveBack(getAddress(`0x${"22".repeat(20)}`));
  assert.equal(book.preholds.ofPayer(PAYER), 2n);
  book.preholds.giveBack(PAYER);
  assert.equal(book.preholds.ofPayer(PAYER), 0n);
  assert.equal(book.preholds.poolOf(drawFor()).take(drawFor().price, VIEW), null);
  const released = book.entries.map((entry) => entry.kind === "release" && entry.reservation);
  assert.deepEqual(released, [one, two]);
});

Deno.test("closing releases everything", () => {
  const book = open();
  const held = book.hold(drawFor());
  book.preholds.close();
  const reason = "unused";
  const released = { kind: "release", payer: PAYER, lane: LANE, reservation: held, reason };
  assert.deepEqual(book.entries, [released]);
});

Deno.test("what nobody takes is released soon", async () => {
  const released = Promise.withResolvers<Entry[]>();
  const preholds = new PreholdBook({
    write: (entries) => Promise.resolve(released.resolve([...entries])),
    mark: () => 0,
    isOnDisk: () => true,
  });
  const draw = drawFor();
  preholds.poolOf(draw).take(draw.price, VIEW);
  preholds.poolOf(draw).add(draw.price, 7);
  // The timer that releases does not keep a process alive: this one does, until it has.
  const awake = setInterval(() => {}, 1_000);
  const [entry] = await released.promise.finally(() => clearInterval(awake));
  assert.equal(entry?.kind, "release");
  assert.equal(preholds.ofPayer(PAYER), 0n);
  preholds.close();
});
