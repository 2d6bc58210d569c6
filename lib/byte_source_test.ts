import assert from "node:assert/strict";
import { type ByteSource, chunksSource, free, streamSource } from "./byte_source.ts";

async function sizes(source: ByteSource): Promise<number[]> {
  const seen: number[] = [];
  for (let chunk; (chunk = await source.read()) !== null;) seen.push(chunk.length);
  return seen;
}

const chunks = [3, 0, 2].map((size) => new Uint8Array(size));

Deno.test("a source gives its chunks in order, none of them empty", async () => {
  assert.deepEqual(await sizes(chunksSource(chunks)), [3, 2]);
  assert.deepEqual(await sizes(streamSource(ReadableStream.from(chunks))), [3, 2]);
});

Deno.test("a source that was given up is at its end", async () => {
  for (const source of [chunksSource(chunks), streamSource(ReadableStream.from(chunks))]) {
    await source.read();
    source.cancel();
    assert.equal(await source.read(), null);
  }
});

Deno.test("a stream that fails fails its reader", async () => {
  const broken = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("broken")),
  });
  await assert.rejects(streamSource(broken).read(), /broken/);
});

Deno.test("a large chunk that is freed holds no memory, a small one goes as all do", () => {
  const [large, small] = [new Uint8Array(100_000).subarray(7), new Uint8Array(100)];
  for (const chunk of [large, small, large]) free(chunk);
  assert.deepEqual([large.length, large.buffer.byteLength, small.length], [0, 0, 100]);
});
