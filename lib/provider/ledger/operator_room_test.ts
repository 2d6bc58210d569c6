import assert from "node:assert/strict";
import fc from "fast-check";
import { DAY, leftToday, type OperatorLimits, operatorRoom } from "./operator_room.ts";

const NOON = 100n * DAY + DAY / 2n;
const LIMITS: OperatorLimits = { expiry: 1n << 47n, dailyCap: 10n, spent: 4n, day: 100n };

Deno.test("an operator without a cap settles any amount until it expires", () => {
  const uncapped = { ...LIMITS, dailyCap: 0n, expiry: NOON + 5n };
  assert.equal(operatorRoom(uncapped, NOON, NOON + 1n), null);
  assert.equal(operatorRoom(uncapped, NOON + 4n, NOON + 9n), null);
  assert.equal(operatorRoom(uncapped, NOON + 5n, NOON + 9n), 0n);
  assert.equal(operatorRoom(uncapped, NOON, NOON), null);
});

Deno.test("a capped one settles the day's rest, and the cap in each day that begins before the end", () => {
  const midnight = 101n * DAY;
  assert.equal(operatorRoom(LIMITS, NOON, midnight), 6n);
  assert.equal(operatorRoom(LIMITS, NOON, midnight + 1n), 16n);
  assert.equal(operatorRoom(LIMITS, NOON, midnight + DAY + 1n), 26n);
  assert.equal(operatorRoom({ ...LIMITS, expiry: midnight }, NOON, midnight + DAY), 6n);
});

Deno.test("what was spent on an earlier day is not of this one; a clock that lags changes nothing", () => {
  assert.equal(operatorRoom({ ...LIMITS, day: 99n }, NOON, NOON + 1n), 10n);
  assert.equal(operatorRoom({ ...LIMITS, day: 101n }, NOON, NOON + 1n), 6n);
});

Deno.test("a cap lowered below what was spent leaves nothing, never less", () => {
  assert.equal(leftToday({ ...LIMITS, dailyCap: 3n }), 0n);
  assert.equal(leftToday(LIMITS), 6n);
});

Deno.test("the room is what an operator settling all it may, second by second, would come to", () => {
  const seconds = fc.integer({ min: 0, max: 40 }).map(BigInt);
  fc.assert(fc.property(seconds, seconds, seconds, fc.bigInt(1n, 9n), (from, length, life, cap) => {
    // Days of ten seconds, scaled up to real ones.
    const scale = DAY / 10n;
    const limits = { expiry: (from + life) * scale, dailyCap: cap, spent: 1n, day: from / 10n };
    let settled = 0n;
    let day = -1n;
    const last = length > 0n ? length : 1n;
    for (let now = from; now < from + last && now < from + life; now++) {
      if (now / 10n === day) continue;
      settled += day === -1n ? cap - 1n : cap;
      day = now / 10n;
    }
    assert.equal(operatorRoom(limits, from * scale, (from + length) * scale), settled);
  }));
});

Deno.test("a time that has passed takes nothing of what is left today", () => {
  const now = 5n * DAY;
  const limits = { expiry: 9n * DAY, dailyCap: 100n, spent: 30n, day: 5n };
  for (const until of [now, now - 1n, now - 2n * DAY]) {
    assert.equal(operatorRoom(limits, now, until), 70n);
  }
});
