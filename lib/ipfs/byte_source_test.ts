import assert from "node:assert/strict";
import { Leisure } from "../leisure.ts";
import { fileSource, streamSource } from "./byte_source.ts";

function textOf(bytes: Uint8Array | null): string | null {
  return bytes && new TextDecoder().decode(bytes);
}

Deno.test("a file's bytes are put where they are wanted, and end with the file", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "one two");
    const source = fileSource(await Deno.open(path), new Leisure());
    const whole = new Uint8Array(6);
    const part = await source.read(whole.subarray(2));
    assert.equal(textOf(part), "one ");
    assert.equal(part?.buffer, whole.buffer);
    assert.equal(part?.byteOffset, 2);
    assert.equal(textOf(await source.read()), "two");
    assert.equal(await source.read(), null);
    await source.close();
    await source.close();
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a stream's bytes are counted as they come, and it is cancelled when closed", async () => {
  let cancelled = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(3)),
    cancel: () => void (cancelled += 1),
  });
  let counted = 0;
  const source = streamSource(stream, (bytes) => void (counted += bytes));
  assert.equal((await source.read(new Uint8Array(1)))?.length, 3);
  assert.equal((await source.read())?.length, 3);
  assert.equal(counted, 6);
  await source.close();
  assert.equal(cancelled, 1);
});
