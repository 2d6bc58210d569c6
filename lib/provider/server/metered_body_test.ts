import assert from "node:assert/strict";
import { chunksSource } from "../../byte_source.ts";
import { MeteredBody } from "./metered_body.ts";

Deno.test("a body is counted, and known to be waited for", async () => {
  const body = new MeteredBody(chunksSource([new Uint8Array(3), new Uint8Array(4)]));
  assert.equal(body.isAwaited, false);
  const first = body.read();
  assert.equal(body.isAwaited, true);
  await first;
  assert.deepEqual([body.isAwaited, body.bytes], [false, 3]);
  await body.read();
  assert.equal(await body.read(), null);
  assert.deepEqual([body.bytes, body.failure], [7, null]);
});

Deno.test("a body that breaks off is no longer waited for", async () => {
  const broken = new Error("it broke");
  const body = new MeteredBody({ read: () => Promise.reject(broken), cancel() {} });
  await assert.rejects(body.read(), broken);
  assert.deepEqual([body.isAwaited, body.failure], [false, broken]);
});

Deno.test("a body is given up once, and not when it was read to its end", async () => {
  let given = 0;
  const source = { read: () => Promise.resolve(null), cancel: () => void given++ };
  const half = new MeteredBody(source);
  half.cancel();
  half.cancel();
  assert.equal(given, 1);
  const whole = new MeteredBody(source);
  await whole.read();
  whole.cancel();
  assert.equal(given, 1);
});

Deno.test("a body begins anew for a second try, as long as no more than its beginning was asked for", async () => {
  const body = new MeteredBody(chunksSource([new Uint8Array([1]), new Uint8Array([2])]));
  const [first, second] = [body.attempt(), body.attempt()];
  assert.deepEqual(await first.read(), new Uint8Array([1]));
  first.cancel();
  assert.deepEqual(await second.read(), new Uint8Array([1]));
  assert.deepEqual(await second.read(), new Uint8Array([2]));
  assert.equal(await second.read(), null);
  assert.equal(body.bytes, 2);
});

Deno.test("what was handed on is freed once more is asked for, and its beginning not before", async () => {
  const chunks = [new Uint8Array(70_000), new Uint8Array(80_000)];
  const body = new MeteredBody(chunksSource(chunks));
  await body.attempt().read();
  const again = body.attempt();
  assert.equal((await again.read())!.length, 70_000);
  assert.equal((await again.read())!.length, 80_000);
  assert.deepEqual(chunks.map(({ length }) => length), [0, 80_000]);
  assert.equal(await again.read(), null);
  assert.deepEqual(chunks.map(({ length }) => length), [0, 0]);
});
