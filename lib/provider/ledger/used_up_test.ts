import assert from "node:assert/strict";
import fc from "fast-check";
import { permitOf, signatureOf } from "../../../worlds/ledger.ts";
import { UINT128_MAX } from "../../permit.ts";
import { NONE_USED_UP, type UsedUp, withCount, withPermit } from "./used_up.ts";

const over = (credits: bigint, number = Number(credits)) =>
  permitOf({ credits, signature: signatureOf(number) });

function accepted(charged: bigint, ...credits: bigint[]): UsedUp {
  return credits.reduce((all, each) => withPermit(all, over(each), charged), NONE_USED_UP);
}

const bestOf = ({ best }: UsedUp) => best?.credits ?? null;
const nextOf = ({ next }: UsedUp) => next.map(({ credits }) => credits);

Deno.test("a permit is used up by the charge of its last credit, and not by one before", () => {
  const before = accepted(3n, 5n, 4n, 9n);
  assert.deepEqual([bestOf(before), nextOf(before)], [null, [4n, 5n, 9n]]);
  for (const [charged, best, next] of [[4n, 4n, [5n, 9n]], [5n, 5n, [9n]], [9n, 9n, []]] as const) {
    const after = withCount(before, charged);
    assert.deepEqual([bestOf(after), nextOf(after)], [best, next]);
  }
  assert.equal(withCount(before, 3n), before);
});

Deno.test("what has proved a count does so until more is proved", () => {
  const used = withCount(accepted(0n, 1n), 1n);
  assert.equal(bestOf(withPermit(used, over(7n), 1n)), 1n);
  assert.equal(bestOf(withCount(withPermit(used, over(7n), 1n), 6n)), 1n);
});

Deno.test("of two over as many credits the later one is kept", () => {
  const twice = withPermit(accepted(0n, 2n), over(2n, 99), 0n);
  assert.deepEqual(twice.next, [over(2n, 99)]);
});

Deno.test("an owner's unlimited permit is not kept", () => {
  assert.equal(withPermit(NONE_USED_UP, over(UINT128_MAX, 1), 0n), NONE_USED_UP);
});

Deno.test("those that are used up soonest are kept, eight at most", () => {
  const many = accepted(0n, ...Array.from({ length: 20 }, (_, index) => BigInt(20 - index)));
  assert.deepEqual(nextOf(many), [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]);
});

Deno.test("the best is the highest at or below the count, whatever came when", () => {
  const steps = fc.array(fc.oneof(fc.bigInt(1n, 12n), fc.constant("charge" as const)));
  fc.assert(fc.property(steps, (steps) => {
    let [usedUp, charged] = [NONE_USED_UP, 0n];
    const seen: bigint[] = [];
    for (const step of steps) {
      if (step === "charge") usedUp = withCount(usedUp, ++charged);
      else if (step > charged) {
        seen.push(step);
        usedUp = withPermit(usedUp, over(step), charged);
      }
      const used = seen.filter((credits) => credits <= charged);
      const best = used.length === 0 ? null : used.reduce((one, two) => one > two ? one : two);
      if (new Set(seen).size <= 8) assert.equal(bestOf(usedUp), best);
      else assert.ok((bestOf(usedUp) ?? 0n) <= charged);
      assert.ok(usedUp.next.length <= 8 && usedUp.next.every(({ credits }) => credits > charged));
    }
  }));
});
