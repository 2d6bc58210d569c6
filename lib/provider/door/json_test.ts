import assert from "node:assert/strict";
import { CONTROL_BODY_BYTES_MAX } from "../../limits.ts";
import { requestOf, responseOf } from "../../../worlds/answers.ts";
import { jsonAnswer, readJson } from "./json.ts";

const post = (body: BodyInit | null) =>
  requestOf("https://provider.test/", { method: "POST", body });

Deno.test("JSON goes out as such, readable and kept by nobody", async () => {
  const response = responseOf(jsonAnswer({ a: [1] }, 503));
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  assert.equal(await response.text(), '{\n  "a": [\n    1\n  ]\n}\n');
  assert.equal(jsonAnswer(null).status, 200);
});

Deno.test("a JSON body is read, however it is cut into chunks", async () => {
  const bytes = new TextEncoder().encode('{"a":"ხაჭაპური"}');
  const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
  assert.deepEqual(await readJson(post(ReadableStream.from(single))), { a: "ხაჭაპური" });
});

Deno.test("what is no JSON is refused, no body too", async () => {
  for (const body of ["{", "", null, "\xff"]) {
    await assert.rejects(readJson(post(body)), { code: "invalid_input" });
  }
});

Deno.test("a body is read up to its bound and no further", async () => {
  const text = JSON.stringify("x".repeat(CONTROL_BODY_BYTES_MAX - 2));
  assert.equal(await readJson(post(text)), JSON.parse(text));
  await assert.rejects(readJson(post(`${text} `)), { code: "body_too_large" });
  let given = 0;
  const endless = new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(1_024));
      given += 1_024;
    },
  });
  await assert.rejects(readJson(post(endless)), { code: "body_too_large" });
  assert.ok(given < 2 * CONTROL_BODY_BYTES_MAX);
});

Deno.test("a body that does not come is not waited for", async () => {
  const never = new ReadableStream<Uint8Array>();
  await assert.rejects(readJson(post(never), 1), { code: "invalid_input" });
});
