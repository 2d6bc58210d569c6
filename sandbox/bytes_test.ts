import assert from "node:assert/strict";
import { concat } from "./bytes.ts";

Deno.test("concat() joins in order, and copies no single part", () => {
  const parts = [[1, 2], [3, 4], [], [5]].map((part) => Uint8Array.from(part));
  assert.deepEqual(concat(parts), Uint8Array.of(1, 2, 3, 4, 5));
  assert.deepEqual(concat([]), new Uint8Array(0));
  assert.equal(concat([parts[0]!]), parts[0]);
});
