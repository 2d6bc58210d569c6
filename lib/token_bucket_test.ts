import assert from "node:assert/strict";
import { TokenBucket } from "./token_bucket.ts";

Deno.test("how little of a bucket is in use shows, and passes", () => {
  let now = 0;
  const bucket = new TokenBucket(3, 1, () => now);
  bucket.take();
  assert.deepEqual([bucket.isFullBut(0), bucket.isFullBut(1)], [false, true]);
  now = 1_000;
  assert.ok(bucket.isFullBut(0));
});

function bucketOf(size: number, perSecond: number) {
  const clock = { ms: 0 };
  return { clock, bucket: new TokenBucket(size, perSecond, () => clock.ms) };
}

Deno.test("TokenBucket gives its size at once, and then as it refills", () => {
  const { clock, bucket } = bucketOf(2, 4);
  assert.deepEqual([1, 2, 3].map(() => bucket.take()), [true, true, false]);
  assert.equal(bucket.waitSeconds(), 0.25);
  clock.ms = 249;
  assert.equal(bucket.take(), false);
  clock.ms = 250;
  assert.equal(bucket.take(), true);
  assert.equal(bucket.take(), false);
});

Deno.test("TokenBucket holds no more than its size, however long it rests", () => {
  const { clock, bucket } = bucketOf(2, 4);
  clock.ms = 3_600_000;
  assert.deepEqual([1, 2, 3].map(() => bucket.take()), [true, true, false]);
});

Deno.test("TokenBucket gives a token that was given back again", () => {
  const { bucket } = bucketOf(1, 1);
  assert.ok(bucket.take());
  assert.equal(bucket.waitSeconds(), 1);
  bucket.giveBack();
  assert.equal(bucket.waitSeconds(), 0);
  assert.ok(bucket.take());
});

Deno.test("a clock that is put back takes no tokens away, and refills from there", () => {
  let nowMs = 3_600_000;
  const bucket = new TokenBucket(2, 1, () => nowMs);
  assert.ok(bucket.take());
  nowMs = 0;
  assert.ok(bucket.take());
  assert.equal(bucket.take(), false);
  nowMs = 1_000;
  assert.ok(bucket.take());
});
