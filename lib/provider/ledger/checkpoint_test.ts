import assert from "node:assert/strict";
import { mock } from "node:test";
import { CID, ID, LANE, NOW_MS, OTHER_LANE, PAYER, TRANSACTION } from "../../../worlds/ledger.ts";
import { type CheckpointParts, Checkpoints } from "./checkpoint.ts";
import { apply, emptyBook, type Entry, lanesOf } from "./journal.ts";

/** Checkpoints of a book whose rows are only counted; what they do is told. */
function world(changes: Partial<CheckpointParts> = {}) {
  const book = emptyBook();
  const told: string[] = [];
  const state = { rows: 0, isFull: false };
  const checkpoints = new Checkpoints({
    book,
    lanes: {
      keep({ lane, charged }, _, { seq, isParked }) {
        if (state.isFull) throw new Error("full");
        told.push(`${isParked ? "park" : "keep"} ${lane.slice(2, 4)}=${charged}@${seq}`);
        return isParked ? 1 : null;
      },
    },
    inTransaction: (work) => work(state.rows),
    moveMark: ({ low, nextReservation }) => told.push(`low ${low}, next ${nextReservation}`),
    finalBlock: () => 1n,
    onMoved: () => {},
    sliceLanes: 1,
    pause: () => Promise.resolve(),
    ...changes,
  });
  return {
    book,
    state,
    checkpoints,
    write(...entries: Entry[]) {
      for (const entry of entries) apply(book, entry, NOW_MS);
      state.rows += entries.length;
    },
    async told(work: () => unknown) {
      told.length = 0;
      await work();
      return told.splice(0);
    },
    here: () => [...lanesOf(book)].map(({ lane }) => lane.slice(2, 4)),
    [Symbol.asyncDispose]: () => checkpoints.giveUp(),
  };
}

const open = (lane = LANE): Entry => ({ kind: "open", payer: PAYER, lane, charged: 0n });
const settle = (settled: bigint, block: bigint): Entry => (
  { kind: "settle", ...ID, settled, block, transaction: TRANSACTION }
);
const reserve: Entry = { kind: "reserve", ...ID, reservation: 1, cid: CID, price: 5n };
const charge: Entry = { kind: "charge", ...ID, reservation: 1, outcome: "answered" };

Deno.test("a lane is kept once it is touched, parked once it was not, and then is gone", async () => {
  await using it = world();
  const run = () => it.told(() => it.checkpoints.run());
  it.write(open());
  assert.deepEqual(await run(), ["keep aa=0@1", "low 1, next 1"]);
  assert.deepEqual(it.here(), ["aa"]);
  it.write(reserve);
  assert.deepEqual(await run(), ["keep aa=0@2", "low 2, next 2"]);
  assert.deepEqual(await run(), ["low 2, next 2"], "with a credit held it is not idle");
  it.write(charge);
  assert.deepEqual(await run(), ["keep aa=1@3", "low 3, next 2"]);
  assert.deepEqual(await run(), ["low 3, next 2"], "it is due");
  it.write(settle(1n, 1n));
  assert.deepEqual(await run(), ["keep aa=1@4", "low 4, next 2"]);
  assert.deepEqual(it.here(), ["aa"], "it may be used again soon");
  assert.deepEqual(await run(), ["park aa=1@4", "low 4, next 2"]);
  assert.deepEqual(it.here(), []);
});

Deno.test("a lane stays until its settlement is final", async () => {
  const final = { block: 1n };
  await using it = world({ finalBlock: () => final.block });
  it.write(open(), reserve, charge, settle(1n, 2n));
  await it.checkpoints.run();
  for (const _ of [1, 2]) {
    await it.checkpoints.run();
    assert.deepEqual(it.here(), ["aa"]);
  }
  final.block = 2n;
  await it.checkpoints.run();
  assert.deepEqual(it.here(), []);
});

Deno.test("what comes between two slices is kept by its own row, and again by the next", async () => {
  const between: (() => void)[] = [];
  await using it = world({ pause: () => Promise.resolve(between.shift()?.()) });
  it.write(open(LANE), open(OTHER_LANE));
  between.push(() => it.write(reserve, { ...open(), lane: `0x${"cc".repeat(32)}` }));
  const run = () => it.told(() => it.checkpoints.run());
  // "bb" is true as of a row that the mark does not cover.
  assert.deepEqual(await run(), ["keep aa=0@2", "keep bb=0@4", "low 2, next 1"]);
  assert.deepEqual(await run(), ["keep aa=0@4", "keep cc=0@4", "park bb=0@4", "low 4, next 2"]);
});

Deno.test("a lane that is touched while others are parked stays", async () => {
  const between: (() => void)[] = [];
  await using it = world({ pause: () => Promise.resolve(between.shift()?.()) });
  it.write(open(LANE), open(OTHER_LANE));
  await it.checkpoints.run();
  it.write({ ...open(), lane: `0x${"cc".repeat(32)}` });
  between.push(() => it.write(reserve));
  await it.checkpoints.run();
  assert.deepEqual(it.here().sort(), ["aa", "cc"]);
});

Deno.test("what the disk did not take is kept by the next one, and the mark stays", async () => {
  await using it = world();
  it.write(open(LANE), open(OTHER_LANE));
  await it.checkpoints.run();
  it.write(reserve);
  it.state.isFull = true;
  await assert.rejects(it.checkpoints.run(), /full/);
  it.state.isFull = false;
  assert.deepEqual(await it.told(() => it.checkpoints.run()), [
    "keep aa=0@3",
    "park bb=0@3",
    "low 3, next 2",
  ]);
});

Deno.test("the last one is made as the ledger is closed, and given up where it goes on elsewhere", async () => {
  await using it = world();
  it.write(open());
  assert.deepEqual(await it.told(() => it.checkpoints.close()), ["keep aa=0@1", "low 1, next 1"]);
  const { promise, resolve } = Promise.withResolvers<void>();
  await using other = world({ pause: () => promise });
  other.write(open(LANE), open(OTHER_LANE));
  const run = other.checkpoints.run();
  const told = other.told(() => other.checkpoints.giveUp());
  resolve();
  await assert.rejects(run, /given up/);
  assert.deepEqual(await told, []);
});

Deno.test("one is made after a minute in which anything came, or after 20,000 entries", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const ticks = async () => {
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  };
  try {
    await using it = world();
    it.checkpoints.noteEntries(0);
    mock.timers.tick(60_000);
    await ticks();
    it.write(open());
    it.checkpoints.noteEntries(1);
    const first = await it.told(() => (mock.timers.tick(59_999), ticks()));
    assert.deepEqual(first, []);
    const second = await it.told(() => (mock.timers.tick(1), ticks()));
    assert.deepEqual(second, ["keep aa=0@1", "low 1, next 1"]);
    const third = await it.told(() => (mock.timers.tick(60_000), ticks()));
    assert.deepEqual(third, ["park aa=0@1", "low 1, next 1"]);
    it.checkpoints.noteEntries(19_999);
    assert.deepEqual(await it.told(ticks), []);
    const full = await it.told(() => (it.checkpoints.noteEntries(1), ticks()));
    assert.deepEqual(full, ["low 1, next 1"]);
  } finally {
    mock.timers.reset();
  }
});
