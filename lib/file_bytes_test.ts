import assert from "node:assert/strict";
import { fill, writeAll } from "./file_bytes.ts";

/** A file that gives and takes up to three bytes at a time. */
function slowFile(bytes: number[]) {
  return {
    bytes,
    read(into: Uint8Array): Promise<number | null> {
      const given = bytes.splice(0, Math.min(3, into.length));
      into.set(given);
      return Promise.resolve(given.length > 0 ? given.length : null);
    },
    write(from: Uint8Array): Promise<number> {
      bytes.push(...from.subarray(0, 3));
      return Promise.resolve(Math.min(3, from.length));
    },
  };
}

Deno.test("as many bytes are read as are wanted, or as the file still has", async () => {
  const file = slowFile([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const bytes = new Uint8Array(7);
  assert.equal(await fill(file, bytes.subarray(0, 0)), 0);
  assert.equal(await fill(file, bytes), 7);
  assert.deepEqual([...bytes], [1, 2, 3, 4, 5, 6, 7]);
  assert.equal(await fill(file, bytes), 2);
  assert.deepEqual([...bytes.subarray(0, 2)], [8, 9]);
  assert.equal(await fill(file, bytes), 0);
});

Deno.test("all bytes are written, however few a write takes", async () => {
  const file = slowFile([]);
  await writeAll(file, Uint8Array.of(1, 2, 3, 4, 5, 6, 7));
  await writeAll(file, new Uint8Array());
  assert.deepEqual(file.bytes, [1, 2, 3, 4, 5, 6, 7]);
});
