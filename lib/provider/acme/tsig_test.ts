import assert from "node:assert/strict";
import { bytesOf, lastRecordAt, nameOctets, textOctets, uint16 } from "./dns_octets.ts";
import { sign, signatureFault } from "./tsig.ts";

const key = { name: "ours", algorithm: "hmac-sha256", secret: new Uint8Array(32).fill(1) };
/** A message with a question and nothing else. */
const MESSAGE = bytesOf(uint16(7), uint16(0x8000), ...[1, 0, 0, 0].map(uint16), nameOctets("a.b"), [
  ...uint16(6),
  ...uint16(1),
]);

/** As a server signs: over the request's mac, too, which an empty one stands for nothing of. */
const NOW = 1_700_000_000;

Deno.test("a signature is one record more, and counted", () => {
  const { message, mac } = sign(MESSAGE, key, NOW);
  assert.equal(message[11], 1);
  assert.equal(mac.length, 32);
  assert.equal(lastRecordAt(message), MESSAGE.length);
  assert.notDeepEqual(sign(MESSAGE, { ...key, secret: new Uint8Array(32) }, NOW).mac, mac);
});

Deno.test("an answer without the server's signature, or with another, is not believed", () => {
  const { message, mac } = sign(MESSAGE, key, NOW);
  assert.match(signatureFault(MESSAGE, key, mac, NOW)!, /not signed/);
  assert.match(signatureFault(message, key, mac, NOW)!, /signature is wrong/);
  for (let length = 0; length < message.length; length++) {
    assert.notEqual(signatureFault(message.subarray(0, length), key, mac, NOW), null, `${length}`);
  }
  for (let at = 0; at < message.length; at++) {
    const changed = Uint8Array.from(message, (byte, index) => index === at ? byte ^ 0x55 : byte);
    assert.notEqual(signatureFault(changed, key, mac, NOW), null, `${at}`);
  }
});

Deno.test("names and texts are as DNS has them", () => {
  assert.deepEqual([...nameOctets("Ab.c.")], [2, 97, 98, 1, 99, 0]);
  assert.deepEqual([...textOctets("hi")], [2, 104, 105]);
  assert.throws(() => nameOctets("x".repeat(64)), RangeError);
  assert.throws(() => textOctets("x".repeat(256)), RangeError);
});
