import assert from "node:assert/strict";
import { multipart } from "./multipart.ts";

Deno.test("a form reads as the platform reads forms, and has the size that it says", async () => {
  const file = new Uint8Array(70_000).map((_, i) => i);
  const form = multipart({ network: "public", car: "true" }, {
    field: "file",
    name: "a.car",
    contentType: "application/vnd.ipld.car",
    bytes: file.length,
    parts: [file.subarray(0, 30_000), file.subarray(30_000)],
  });
  const body = await new Blob([...form.parts] as BlobPart[]).bytes();
  assert.equal(body.length, form.bytes);
  const read = await new Response(body, { headers: { "content-type": form.contentType } })
    .formData();
  assert.deepEqual([...read.keys()], ["network", "car", "file"]);
  assert.deepEqual([read.get("network"), read.get("car")], ["public", "true"]);
  const got = read.get("file") as File;
  assert.deepEqual([got.name, got.type], ["a.car", "application/vnd.ipld.car"]);
  assert.deepEqual(await got.bytes(), file);
  const head = [...form.parts][0]!.length;
  const sent = [0, head, head + 1, head + file.length, form.bytes];
  assert.deepEqual(sent.map(form.ofFile), [0, 0, 1, file.length, file.length]);
});
