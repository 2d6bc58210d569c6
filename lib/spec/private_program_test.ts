import assert from "node:assert/strict";
import { noteCall } from "../leisure.ts";
import { decryptProgram, encryptProgram } from "./private_program.ts";

const zip = new TextEncoder().encode("a program");

Deno.test("a private program decrypts with its own key only", async () => {
  const one = encryptProgram(zip);
  const two = encryptProgram(zip);
  assert.match(one.key, /^[A-Za-z0-9_-]{43}$/);
  assert.notDeepEqual(one.bytes, two.bytes);
  assert.deepEqual(await decryptProgram(one.bytes, one.key), zip);
  await assert.rejects(decryptProgram(one.bytes, two.key), { code: "invalid_program" });
});

Deno.test("damage anywhere is noticed", async () => {
  const { bytes, key } = encryptProgram(zip);
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at]! ^= 1;
    await assert.rejects(decryptProgram(damaged, key), { code: "invalid_program" });
  }
  for (const length of [0, 23, 24, 39, bytes.length - 1]) {
    await assert.rejects(decryptProgram(bytes.subarray(0, length), key), {
      code: "invalid_program",
    });
  }
  await assert.rejects(decryptProgram(bytes, "short"), { code: "invalid_program" });
});

Deno.test("one of several slices decrypts, and lets others go on meanwhile", async () => {
  const large = new Uint8Array(3 * 1024 * 1024 + 7).map((_, index) => index * 31);
  const { bytes, key } = encryptProgram(large);
  let turns = 0;
  noteCall();
  const counting = setInterval(() => turns += 1, 0);
  assert.deepEqual(await decryptProgram(bytes, key), large);
  clearInterval(counting);
  assert.ok(turns > 0);
  bytes[2_000_000]! ^= 1;
  await assert.rejects(decryptProgram(bytes, key), { code: "invalid_program" });
});
