import assert from "node:assert/strict";
import { manualClock } from "../../../worlds/clock.ts";
import { CALLER_PACE_BYTES_MIN, CALLER_WAIT_MS_MAX } from "../../limits_of_callers.ts";
import { type Awaited, Patience, PATIENCE_MS } from "./patience.ts";

const MEGABYTE = 1_000_000;

const TAKER_MS = PATIENCE_MS["took the answer"];
const SENDER_MS = PATIENCE_MS["sent the request body"];

function open(awaited: Awaited = "took the answer") {
  const clock = { now: 0 };
  const patience = new Patience(awaited, () => clock.now);
  /** Moves bytes in chunks, each waited for at this pace; the time at which it was over. */
  const move = (bytes: number, bytesPerSecond: number, chunk = 128 * 1024): number | null => {
    for (let left = bytes; left > 0; left -= chunk) {
      patience.wait();
      clock.now += Math.min(left, chunk) * 1_000 / bytesPerSecond;
      if (patience.end() !== null) return clock.now;
      patience.moved(Math.min(left, chunk));
    }
    return null;
  };
  return { clock, patience, move };
}

Deno.test("16 MB at 0.25 MB/s, and 100 MiB at 170 KiB a second, are waited for", () => {
  assert.equal(open().move(16 * MEGABYTE, MEGABYTE / 4), null);
  assert.equal(open().move(100 * 1024 * 1024 - 1, 175_000), null);
});

Deno.test("a kernel that tells in steps of 4 MB of what was taken at 0.25 MB/s is believed", () => {
  assert.equal(open().move(24 * MEGABYTE, MEGABYTE / 4, 4 * MEGABYTE), null);
});

Deno.test("who takes nothing is waited for as long as a network may stand still, whatever was before", () => {
  for (const before of [0, 50 * MEGABYTE]) {
    const { clock, patience, move } = open();
    move(before, 100 * MEGABYTE);
    patience.wait();
    clock.now += TAKER_MS - 1;
    assert.equal(patience.end(), null);
    clock.now += 1;
    assert.equal(patience.end(), "the caller took nothing of the answer for 64 s");
  }
});

Deno.test("who is slower than the pace is waited for until its patience is used up", () => {
  const { patience, move } = open("sent the request body");
  const overAt = move(100 * MEGABYTE, CALLER_PACE_BYTES_MIN / 2, 8_192);
  assert.ok(overAt! > SENDER_MS && overAt! < 3 * SENDER_MS, `${overAt}`);
  const words = "the caller sent less than 64 KiB a second of the request body";
  assert.equal(patience.end(), words);
});

Deno.test("a stop now and then is made up for by bytes", () => {
  const { clock, patience, move } = open();
  for (let stop = 0; stop < 8; stop++) {
    patience.wait();
    clock.now += TAKER_MS - 1_000;
    assert.equal(patience.end(), null, `stop ${stop}`);
    patience.moved(1);
    assert.equal(move(5 * MEGABYTE, 10 * MEGABYTE), null);
  }
});

Deno.test("time in which nobody waits counts for nothing", () => {
  const { clock, patience } = open();
  for (let hour = 0; hour < 10; hour++) {
    clock.now += 3_600_000;
    assert.equal(patience.end(), null);
    patience.moved(0);
  }
});

Deno.test("all waits of a run together have a bound", () => {
  const { move, patience } = open();
  const overAt = move(1_000 * MEGABYTE, CALLER_PACE_BYTES_MIN + 1_000);
  assert.ok(Math.abs(overAt! - CALLER_WAIT_MS_MAX) < 3_000, `${overAt}`);
  assert.match(patience.end()!, /so slowly that it was waited for 600 s in all/);
});

Deno.test("its end is told once, and not to who looks no more", () => {
  const clock = manualClock(0);
  const patience = new Patience("took the answer", () => clock.now());
  const told: string[] = [];
  patience.watch(clock, (why) => told.push(why));
  const stop = patience.watch(clock, () => assert.fail("it was told"));
  patience.wait();
  clock.advance(TAKER_MS - 1);
  assert.deepEqual([told, clock.pending()], [[], 2]);
  stop();
  clock.advance(600_000);
  assert.deepEqual(told, ["the caller took nothing of the answer for 64 s"]);
  assert.equal(clock.pending(), 0);
});
