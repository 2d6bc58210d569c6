import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { IDEMPOTENCY_ANSWER_BYTES_MAX } from "../../limits.ts";
import type { LostAnswer, StoredAnswer } from "./idempotency.ts";
import { Transcript, type TranscriptOptions } from "./transcript.ts";

const RESERVATION = 7;
const bytesOf = (text: string) => new TextEncoder().encode(text);
const sha256 = (bytes: Uint8Array) => `0x${createHash("sha256").update(bytes).digest("hex")}`;

function transcript(options: Partial<TranscriptOptions> = {}) {
  const stored: [StoredAnswer | LostAnswer, number][] = [];
  const its = new Transcript({
    status: 201,
    headers: [["a", "b"]],
    isHashed: true,
    isBodiless: false,
    claim: {
      store: (...answer) => Promise.resolve(void stored.push(answer)),
      end: () => Promise.resolve(),
    },
    ...options,
  });
  return { its, stored };
}

Deno.test("an answer is hashed and kept as it went out, chunk after chunk", async () => {
  const { its, stored } = transcript();
  const shared = bytesOf("khacha");
  its.add(shared);
  // The buffer that a chunk came in is used again.
  shared.fill(0);
  its.add(bytesOf("puri"));
  assert.equal(its.responseHash(), sha256(bytesOf("khachapuri")));
  await its.keep(RESERVATION, true, 1);
  const body = bytesOf("khachapuri");
  assert.deepEqual(stored, [[{ status: 201, headers: [["a", "b"]], body }, RESERVATION]]);
});

Deno.test("an answer that had no body is hashed and kept as empty", async () => {
  const { its, stored } = transcript({ isBodiless: true });
  its.add(bytesOf("not sent"));
  assert.equal(its.responseHash(), sha256(bytesOf("")));
  await its.keep(RESERVATION, true, 1);
  assert.deepEqual((stored[0]![0] as StoredAnswer).body, new Uint8Array(0));
});

Deno.test("of an answer that is cut short or too large only the reason is kept", async () => {
  const cut = transcript();
  cut.its.add(bytesOf("half"));
  await cut.its.keep(RESERVATION, false, 1);
  assert.deepEqual(cut.stored, [[{ why: "it was cut short" }, RESERVATION]]);

  const large = transcript();
  const most = new Uint8Array(IDEMPOTENCY_ANSWER_BYTES_MAX);
  large.its.add(most);
  assert.ok(!large.its.isTooLarge());
  large.its.add(bytesOf("x"));
  assert.ok(large.its.isTooLarge());
  await large.its.keep(RESERVATION, true, 1);
  const why = `it was larger than ${IDEMPOTENCY_ANSWER_BYTES_MAX} bytes`;
  assert.deepEqual(large.stored, [[{ why }, RESERVATION]]);
  assert.equal(large.its.responseHash(), sha256(new Uint8Array([...most, ...bytesOf("x")])));
});

Deno.test("the largest answer that may be kept is kept", async () => {
  const { its, stored } = transcript();
  its.add(new Uint8Array(IDEMPOTENCY_ANSWER_BYTES_MAX));
  await its.keep(RESERVATION, true, 1);
  assert.equal((stored[0]![0] as StoredAnswer).body.length, IDEMPOTENCY_ANSWER_BYTES_MAX);
});

Deno.test("nothing is hashed where there is no receipt, nothing kept where there is no key", async () => {
  const { its } = transcript({ isHashed: false, claim: null });
  its.add(new Uint8Array(2 * IDEMPOTENCY_ANSWER_BYTES_MAX));
  assert.equal(its.responseHash(), null);
  assert.ok(!its.isTooLarge());
  await its.keep(RESERVATION, true, 1);
});
