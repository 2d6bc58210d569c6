import assert from "node:assert/strict";
import { manualClock } from "../../../worlds/clock.ts";
import { KhachapuriError } from "../../errors.ts";
import { EXTEND_AHEAD_MS_MAX } from "../../limits.ts";
import { extendAheadMs, PaidTime } from "./paid_time.ts";

const CREDIT_MS = 1_000;
const AHEAD_MS = 500;
const refused = () => new KhachapuriError("payment_required", "the permit is used up");

/** Lets what waits for no time come to its end. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

/** A run whose credits are counted, on a clock that stands still. */
function begin({ creditsMax = 3 } = {}) {
  const clock = manualClock(0);
  const seen: string[] = [];
  const note = (what: string) => void seen.push(`${clock.now()} ${what}`);
  const record = Promise.withResolvers<never>();
  const before: { extend?: () => unknown; admit?: () => void; begin?: () => unknown } = {};
  let [credits, isAhead, begunAt] = [1, false, 0];
  const hold = {
    get credits() {
      return credits;
    },
    async extend() {
      await before.extend?.();
      isAhead = true;
      note("taken");
    },
    async begin() {
      isAhead = false;
      credits += 1;
      note("begun");
      await before.begin?.();
    },
    giveBack() {
      if (isAhead) note("given back");
      isAhead = false;
    },
  };
  const run = {
    begun: () => begunAt,
    extend: (ms: number) => note(`extended by ${ms}`),
    kill: () => note("killed"),
    record: record.promise,
  };
  let counted = 0;
  const paidTime = new PaidTime({
    run,
    hold,
    creditsMax,
    creditMs: CREDIT_MS,
    admit() {
      before.admit?.();
      counted += 1;
    },
    undo: () => void (counted -= 1),
  }, clock);
  return {
    paidTime,
    before,
    seen,
    counted: () => counted,
    beginAt: (at: number) => void (begunAt = at),
    end: () => record.reject(new Error("it has ended")),
    pending: () => clock.pending(),
    /** Moves the time on, and lets what that has begun come to its end. */
    async until(ms: number) {
      await turns();
      while (clock.now() < ms) {
        clock.advance(Math.min(50, ms - clock.now()));
        await turns();
      }
    },
  };
}

Deno.test("each credit is taken ahead and begins when the one before is over, up to the most", async () => {
  const world = begin();
  await world.until(10_000);
  assert.deepEqual(world.seen, [
    "500 taken",
    `500 extended by ${CREDIT_MS}`,
    "1000 begun",
    "1500 taken",
    `1500 extended by ${CREDIT_MS}`,
    "2000 begun",
  ]);
  assert.equal(world.pending(), 0);
  assert.equal(world.paidTime.refusal(), null);
  world.end();
  await world.until(11_000);
  assert.equal(world.counted(), 2, "what was used stays counted");
});

Deno.test("a long credit's successor is taken a second ahead, a short one's a part of it", () => {
  assert.equal(extendAheadMs(15_000), EXTEND_AHEAD_MS_MAX);
  assert.equal(extendAheadMs(CREDIT_MS), AHEAD_MS);
});

Deno.test("a run that ends before its next credit's time gives it back", async () => {
  const world = begin();
  await world.until(900);
  world.end();
  await world.until(5_000);
  assert.deepEqual(world.seen.slice(2), ["900 given back"]);
  assert.equal(world.counted(), 0);
  assert.equal(world.pending(), 0);
});

Deno.test("a refused credit leaves the run the time that it has, and says why", async () => {
  for (const stage of ["extend", "admit"] as const) {
    const world = begin();
    world.before[stage] = () => {
      throw refused();
    };
    await world.until(5_000);
    assert.deepEqual(world.seen, []);
    assert.equal(world.counted(), 0);
    assert.equal(world.paidTime.refusal()?.shortMessage, refused().shortMessage);
    assert.equal(world.pending(), 0);
  }
});

Deno.test("a credit that comes too late for the sandbox to hear of it is given back", async () => {
  for (const [at, isInTime] of [[850, true], [875, true], [876, false]] as const) {
    const world = begin();
    const written = Promise.withResolvers<void>();
    world.before.extend = () => written.promise;
    await world.until(at);
    written.resolve();
    await world.until(1_000);
    assert.equal(world.seen.includes(`${at} extended by ${CREDIT_MS}`), isInTime);
    assert.equal(world.seen.includes(`${at} given back`), !isInTime);
    assert.equal(world.counted(), isInTime ? 1 : 0);
    assert.equal(world.paidTime.refusal() === null, isInTime);
    for (const _ of [1, 2]) world.paidTime.stop();
    assert.equal(world.counted(), isInTime ? 1 : 0, "given back once");
  }
});

Deno.test("a run that is stopped while its credit is being written down does not get it", async () => {
  const world = begin();
  const written = Promise.withResolvers<void>();
  world.before.extend = () => written.promise;
  await world.until(500);
  world.paidTime.stop();
  written.resolve();
  await world.until(5_000);
  assert.deepEqual(world.seen, ["500 taken", "500 given back"]);
  assert.equal(world.counted(), 0);
});

Deno.test("a run that had to wait for its sandbox has its time from then on", async () => {
  const world = begin();
  world.beginAt(500);
  await world.until(1_500);
  assert.deepEqual(world.seen, [
    "1000 taken",
    `1000 extended by ${CREDIT_MS}`,
    "1500 begun",
  ]);
  world.paidTime.stop();
});

Deno.test("a run is worked for no more when its credit cannot be written down", async () => {
  const world = begin();
  world.before.begin = () => Promise.reject(refused());
  await world.until(1_050);
  assert.ok(world.seen.includes("1000 killed"));
  world.paidTime.stop();
});

Deno.test("a run that is to take no more ends with the time of what has begun", async () => {
  const early = begin();
  await early.until(400);
  early.paidTime.takeNoMore();
  await early.until(5_000);
  assert.deepEqual(early.seen, [], "the sandbox ends it");
  const late = begin();
  await late.until(600);
  for (const _ of [1, 2]) late.paidTime.takeNoMore();
  await late.until(5_000);
  assert.deepEqual(late.seen.slice(2), ["600 given back", "1000 killed"]);
  const ended = begin();
  await ended.until(600);
  ended.paidTime.takeNoMore();
  ended.end();
  await ended.until(5_000);
  assert.deepEqual(ended.seen.slice(2), ["600 given back"]);
  assert.deepEqual([early.pending(), late.pending(), ended.pending()], [0, 0, 0]);
});
