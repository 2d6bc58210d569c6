import assert from "node:assert/strict";
import fc from "fast-check";
import { parseRange, rangeWithin } from "./byte_range.ts";

Deno.test("a range is what a slice of the file's bytes has", () => {
  const offset = fc.integer({ min: -30, max: 30 });
  fc.assert(
    fc.property(offset, fc.option(offset), fc.integer({ min: 1, max: 20 }), (from, to, size) => {
      const isOrdered = to === null || from < 0 !== to < 0 || from <= to;
      fc.pre(isOrdered && from < size);
      const bytes = Array.from({ length: size }, (_, index) => index);
      const first = from < 0 ? Math.max(0, size + from) : from;
      const end = to === null ? size : (to < 0 ? size + to : to) + 1;
      const wanted = bytes.slice(first, Math.max(end, 0));
      const range = rangeWithin(parseRange(`${from}:${to ?? "*"}`), size);
      assert.deepEqual(range === null ? [] : bytes.slice(range.from, range.to + 1), wanted);
    }),
  );
});

Deno.test("a range that begins behind the end is refused; an empty file has none", () => {
  assert.throws(() => rangeWithin({ from: 5, to: null }, 5), {
    code: "invalid_input",
    data: { fileBytes: 5 },
  });
  assert.deepEqual(rangeWithin({ from: 4, to: 9 }, 5), { from: 4, to: 4 });
  assert.equal(rangeWithin({ from: 3, to: 9 }, 0), null);
});

Deno.test("what is no range is refused", () => {
  for (const text of ["", ":", "1:", ":1", "*:*", "+1:2", "1:2 ", "2:1", "-1:-2", "9".repeat(20)]) {
    assert.throws(() => parseRange(text), { code: "invalid_input" }, text);
  }
});
