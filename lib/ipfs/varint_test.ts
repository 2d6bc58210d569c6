import assert from "node:assert/strict";
import fc from "fast-check";
import { VARINT_BYTES_MAX } from "../limits.ts";
import { decodeVarint, encodeVarint } from "./varint.ts";

Deno.test("what is encoded is decoded, whatever comes behind, and cut off before its end", () => {
  const lengths = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  fc.assert(fc.property(lengths, fc.uint8Array({ maxLength: 3 }), (value, behind) => {
    const bytes = encodeVarint(value);
    const { length } = bytes;
    assert.deepEqual(decodeVarint([...bytes, ...behind]), { kind: "whole", value, length });
    assert.deepEqual(decodeVarint(bytes.subarray(0, -1)), { kind: "cut off" });
  }));
});

Deno.test("a varint that is longer than it has to be, or than lengths are, is wrong", () => {
  assert.equal(decodeVarint([0x80, 0x00]).kind, "wrong");
  assert.equal(decodeVarint([0xff, 0x80, 0x00]).kind, "wrong");
  assert.equal(decodeVarint(new Uint8Array(VARINT_BYTES_MAX).fill(0xff)).kind, "wrong");
  assert.equal(decodeVarint([0]).kind, "whole");
});
