import assert from "node:assert/strict";
import { manualClock } from "../../../worlds/clock.ts";
import {
  CONTENT_READER_BYTES_PER_SECOND_MIN,
  CONTENT_READER_GRACE_MS,
} from "../../limits_of_content.ts";
import { ContentStream } from "./gateway_stream.ts";

function open(sizes: readonly number[], failure?: Error) {
  const clock = manualClock();
  const seen = { ends: 0, isReturned: false, made: 0 };
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      for (const size of sizes) {
        await Promise.resolve();
        seen.made += 1;
        yield new Uint8Array(size);
      }
      if (failure) throw failure;
    } finally {
      seen.isReturned = true;
    }
  }
  const stream = new ContentStream({ pieces: pieces(), clock, onEnd: () => void seen.ends++ });
  return { stream, clock, seen };
}

Deno.test("pieces come one at a time, each made when it is asked for, and the place is freed once", async () => {
  const { stream, clock, seen } = open([1, 2]);
  assert.equal(seen.made, 0);
  assert.equal((await stream.read())!.length, 1);
  assert.deepEqual([seen.made, seen.ends], [1, 0]);
  assert.equal((await stream.read())!.length, 2);
  assert.equal(await stream.read(), null);
  await stream.ended;
  assert.equal(await stream.read(), null);
  await stream.cancel();
  assert.deepEqual([seen.ends, clock.pending()], [1, 0]);
});

Deno.test("a failure is the reader's, and ends it", async () => {
  const { stream, seen, clock } = open([1], new Error("lost"));
  await stream.read();
  await assert.rejects(stream.read(), { message: "lost" });
  await assert.rejects(stream.ended, { message: "lost" });
  assert.deepEqual([seen.ends, clock.pending()], [1, 0]);
});

Deno.test("a reader that never comes is cut off", async () => {
  const { stream, clock, seen } = open([1]);
  clock.advance(CONTENT_READER_GRACE_MS - 1);
  assert.equal(seen.ends, 0);
  clock.advance(1);
  await assert.rejects(stream.ended, { code: "rate_limited" });
  assert.equal(seen.ends, 1);
  assert.equal(await stream.read(), null);
});

Deno.test("a slow reader is waited for as long as its bytes may take, and no longer", async () => {
  const tenSeconds = 10 * CONTENT_READER_BYTES_PER_SECOND_MIN;
  const { stream, clock, seen } = open(Array.from({ length: 20 }, () => tenSeconds));
  for (let piece = 0; piece < 10; piece++) {
    await stream.read();
    clock.advance(10_000);
  }
  await stream.read();
  assert.equal(seen.ends, 0, "as fast as it has to be");
  clock.advance(CONTENT_READER_GRACE_MS + 10_000);
  await assert.rejects(stream.ended, { code: "rate_limited" });
  assert.equal(seen.ends, 1);
});

Deno.test("many small pieces, each taken at the last moment, buy no more time", async () => {
  const { stream, clock, seen } = open(Array.from({ length: 100 }, () => 40));
  let waited = 0;
  for (; seen.ends === 0 && await stream.read(); waited += 1_000) clock.advance(1_000);
  assert.equal(seen.ends, 1);
  assert.ok(waited < CONTENT_READER_GRACE_MS + 2_000, `${waited} ms`);
  await assert.rejects(stream.ended);
});

Deno.test("who leaves gives the place back at once", async () => {
  const { stream, clock, seen } = open([1, 2]);
  await stream.read();
  await stream.cancel();
  await stream.ended;
  assert.deepEqual(seen, { ends: 1, isReturned: true, made: 1 });
  assert.equal(clock.pending(), 0);
});
