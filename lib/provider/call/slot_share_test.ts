import assert from "node:assert/strict";
import { Contest, leavesRoom, SlotShare } from "./slot_share.ts";

function openContest() {
  const contest = new Contest();
  contest.begin();
  return { contest, one: new SlotShare(contest), other: new SlotShare(contest) };
}

Deno.test("who was charged less is next, and what a run took is charged in the end", () => {
  const { one, other } = openContest();
  const first = one.take();
  const second = other.take();
  assert.equal(one.compare(other), 0);
  one.giveBack(first, 10_000);
  other.giveBack(second, 10);
  assert.ok(other.compare(one) < 0);
  // From now on a run is charged what its own took.
  assert.equal(one.take(), 10_000);
  assert.equal(other.take(), 10);
});

Deno.test("what was had while nobody waited is forgotten, and nothing is saved up", () => {
  const { contest, one, other } = openContest();
  one.giveBack(one.take(), 5_000);
  contest.begin();
  for (const share of [one, other]) share.enter();
  assert.equal(one.compare(other), 0);
  one.giveBack(one.take(), 5_000);
  other.catchUp(one);
  assert.equal(one.compare(other), 0);
  one.catchUp(other);
  assert.equal(one.compare(other), 0);
});

Deno.test("runs that took longer than thought are a debt for a bounded time", () => {
  const { one, other } = openContest();
  const charges = Array.from({ length: 50 }, () => one.take());
  for (const charge of charges) one.giveBack(charge, 10_000);
  other.enter();
  one.waitFor(other, 4_000);
  other.giveBack(other.take(), 20_001);
  assert.ok(one.compare(other) < 0);
});

Deno.test("who has much leaves a part free", () => {
  const most = (slots: number, owners: number) => {
    const held = Array.from({ length: owners }, () => 0);
    let free = slots;
    for (let at = 0; at < slots * owners; at++) {
      if (!leavesRoom(held[at % owners]!, free)) continue;
      held[at % owners]! += 1;
      free -= 1;
    }
    return [held[0], free];
  };
  assert.deepEqual(most(64, 1), [51, 13]);
  assert.deepEqual(most(64, 2), [29, 7]);
  assert.deepEqual(most(64, 15), [5, 1]);
  assert.deepEqual(most(4, 1), [3, 1]);
  assert.deepEqual(most(3, 1), [3, 0]);
  assert.deepEqual(most(1, 1), [1, 0]);
});
