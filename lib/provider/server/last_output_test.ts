import assert from "node:assert/strict";
import { LastOutput } from "./last_output.ts";

Deno.test("the end of an output is kept, however it comes in", () => {
  const all = Uint8Array.from({ length: 20_000 }, (_, index) => index % 251);
  for (const size of [1, 7, 4_096, 5_000, 20_000]) {
    const last = new LastOutput();
    for (let at = 0; at < all.length; at += size) last.keep(all.slice(at, at + size));
    assert.deepEqual(last.bytes(), all.slice(-4_096));
  }
});

Deno.test("of a short output all is kept", () => {
  const last = new LastOutput();
  assert.deepEqual(last.bytes(), new Uint8Array(0));
  last.keep(Uint8Array.of(1, 2));
  last.keep(Uint8Array.of(3));
  assert.deepEqual(last.bytes(), Uint8Array.of(1, 2, 3));
});
