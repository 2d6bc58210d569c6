import assert from "node:assert/strict";
import fc from "fast-check";
import { type Mark, MARK_MS, markCharge, MARKS_KEPT, markSettled } from "./ages.ts";

const OPENED = 5;

const step = fc.record({
  do: fc.constantFrom("charge", "charge", "charge", "charge", "settle"),
  /** ms since the step before; the clock may be set back. */
  after: fc.oneof(fc.integer({ min: 0, max: 3 * MARK_MS }), fc.integer({ min: -9_000, max: 0 })),
  /** Of what is charged, how much is settled, in percent and beyond. */
  percent: fc.bigInt(0n, 110n),
});

Deno.test("a lane is never said to be due since later than it is", () => {
  const property = fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
    const marks: Mark[] = [];
    const times: number[] = [];
    let [settled, now] = [0n, 1_000_000];
    for (const { do: what, after, percent } of steps) {
      now += after;
      if (what === "charge") {
        times.push(now);
        const charged = BigInt(times.length);
        if (charged > settled) markCharge(marks, charged - 1n, now);
      } else {
        settled = BigInt(times.length) * percent / 100n;
        markSettled(marks, settled, BigInt(times.length), OPENED);
      }
      const due = times.slice(Number(settled));
      if (due.length === 0) assert.deepEqual(marks, []);
      else assert.ok(marks[0]!.at <= Math.min(...due), `${marks[0]!.at} > ${Math.min(...due)}`);
      assert.ok(marks.length <= MARKS_KEPT + 1);
    }
  });
  fc.assert(property, { numRuns: 500 });
});

Deno.test("what a settlement leaves is about as young as it is", () => {
  const marks: Mark[] = [];
  const perSecond = 10;
  for (let second = 0; second < 600; second++) {
    for (let nth = 0; nth < perSecond; nth++) {
      markCharge(marks, BigInt(second * perSecond + nth), second * 1_000);
    }
    // Every minute what was charged ten seconds before is settled.
    if (second % 60 === 59) {
      const charged = BigInt((second + 1) * perSecond);
      markSettled(marks, charged - 100n, charged, OPENED);
      const age = second * 1_000 - marks[0]!.at;
      assert.ok(age >= 9_000 && age <= 9_000 + 2 * MARK_MS, `${age} ms`);
    }
  }
});

Deno.test("what a reorganisation makes due again is as old as the lane", () => {
  const marks: Mark[] = [];
  markCharge(marks, 0n, 1_000);
  markSettled(marks, 1n, 1n, OPENED);
  assert.deepEqual(marks, []);
  markSettled(marks, 0n, 1n, OPENED);
  assert.deepEqual(marks, [{ beyond: 0n, at: OPENED }]);
});

Deno.test("of marks that are too many every second one goes, and never the oldest", () => {
  const marks: Mark[] = [];
  for (let n = 0; n < MARKS_KEPT; n++) markCharge(marks, BigInt(n), n * MARK_MS);
  assert.equal(marks.length, MARKS_KEPT);
  markCharge(marks, 100n, 100 * MARK_MS);
  assert.deepEqual(marks.map(({ beyond }) => Number(beyond)), [0, 2, 4, 6, 100]);
});

Deno.test("a clock that was set back moves the marks and makes none", () => {
  const marks: Mark[] = [];
  markCharge(marks, 0n, 1_000);
  markCharge(marks, 1n, 1_000 + MARK_MS);
  markCharge(marks, 2n, 400);
  assert.deepEqual(marks, [{ beyond: 0n, at: 400 }, { beyond: 1n, at: 400 }]);
});

Deno.test("what is settled takes the marks of what was charged before along", () => {
  const after = (settled: bigint) => {
    const marks: Mark[] = [];
    markCharge(marks, 0n, 1_000);
    markCharge(marks, 10n, 7_000);
    markSettled(marks, settled, 15n, OPENED);
    return marks[0]!.at;
  };
  assert.deepEqual([after(9n), after(10n), after(11n)], [1_000, 7_000, 7_000]);
});

Deno.test("however often settlements are taken back, one mark more is kept", () => {
  const marks: Mark[] = [];
  markCharge(marks, 10n, 1_000);
  markCharge(marks, 20n, 7_000);
  for (const settled of [5n, 4n, 3n]) markSettled(marks, settled, 25n, OPENED);
  assert.deepEqual(marks.map(({ beyond, at }) => [beyond, at]), [
    [3n, OPENED],
    [10n, 1_000],
    [20n, 7_000],
  ]);
});
