import assert from "node:assert/strict";
import { createBodyReader, meterBody } from "./request_body.ts";

const PAYER = "0xA";

/** A body of whose bytes so many have come, and no more. */
function stalled(bytes: number): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(bytes)) });
}

function whole(bytes: number): ReadableStream<Uint8Array> {
  return new Blob([new Uint8Array(bytes)]).stream();
}

Deno.test("a body that stops coming in is given up, and its memory is free again", async () => {
  const read = createBodyReader(400, 1);
  await assert.rejects(read(stalled(400), PAYER), { code: "invalid_input", message: /in time/ });
  const body = await read(whole(400), PAYER);
  body.free();
});

Deno.test("one payer's bodies leave room for those of others", async () => {
  const read = createBodyReader(400);
  const first = await read(whole(60), PAYER);
  await assert.rejects(read(whole(60), PAYER), { code: "overloaded" });
  const other = await read(whole(60), "0xB");
  first.free();
  const again = await read(whole(60), PAYER);
  for (const body of [other, again]) body.free();
});

Deno.test("a body arrives whole and once", async () => {
  const read = createBodyReader(400);
  const body = await read(new Blob(["khacha", "puri"]).stream(), PAYER);
  assert.equal(
    await new Response(body.stream as ReadableStream<Uint8Array<ArrayBuffer>>).text(),
    "khachapuri",
  );
  assert.equal(body.sha256, await body.hash());
  body.free();
});

Deno.test("a body that is hashed is waited for until it has come, another is not", async () => {
  const source = () => new Blob(["khacha"]).stream();
  assert.ok(meterBody(null, true, () => {}).isWhole());
  assert.ok(meterBody(source(), false, () => {}).isWhole());
  const body = meterBody(source(), true, () => {});
  assert.ok(!body.isWhole());
  await body.hash();
  assert.ok(body.isWhole());
});
