import assert from "node:assert/strict";
import { decryptProgram, encryptProgram } from "./private_program.ts";

const zip = new TextEncoder().encode("a program");

Deno.test("a private program decrypts with its own key only", () => {
  const one = encryptProgram(zip);
  const two = encryptProgram(zip);
  assert.match(one.key, /^[A-Za-z0-9_-]{43}$/);
  assert.notDeepEqual(one.bytes, two.bytes);
  assert.deepEqual(decryptProgram(one.bytes, one.key), zip);
  assert.throws(() => decryptProgram(one.bytes, two.key), { code: "invalid_program" });
});

Deno.test("damage anywhere is noticed", () => {
  const { bytes, key } = encryptProgram(zip);
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at]! ^= 1;
    assert.throws(() => decryptProgram(damaged, key), { code: "invalid_program" });
  }
  for (const length of [0, 23, 24, 39, bytes.length - 1]) {
    assert.throws(() => decryptProgram(bytes.subarray(0, length), key), {
      code: "invalid_program",
    });
  }
  assert.throws(() => decryptProgram(bytes, "short"), { code: "invalid_program" });
});
