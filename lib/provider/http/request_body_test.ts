import assert from "node:assert/strict";
import { type ByteSource, chunksSource } from "../../../sandbox/byte_source.ts";
import { KhachapuriError } from "../../errors.ts";
import { REQUEST_BODY_BYTES_MAX } from "../../limits.ts";
import { createBodyReader, meterBody } from "./request_body.ts";

const PAYER = "0xA";

/** A body of whose bytes so many have come, and no more until somebody gives it up. */
function stalled(bytes: number): ByteSource {
  const given = Promise.withResolvers<null>();
  let isFirst = true;
  return {
    read() {
      const chunk = isFirst ? Promise.resolve(new Uint8Array(bytes)) : given.promise;
      isFirst = false;
      return chunk;
    },
    cancel: () => given.resolve(null),
  };
}

const whole = (bytes: number) => chunksSource([new Uint8Array(bytes)]);

const textSource = (...texts: string[]) =>
  chunksSource(texts.map((text) => new TextEncoder().encode(text)));

/** A body that breaks off after its first bytes. */
function broken(bytes: number): ByteSource {
  let isFirst = true;
  return {
    read() {
      if (!isFirst) return Promise.reject(new KhachapuriError("invalid_input", "it broke off"));
      isFirst = false;
      return Promise.resolve(new Uint8Array(bytes));
    },
    cancel() {},
  };
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
  const body = await read(textSource("khacha", "puri"), PAYER);
  let text = "";
  for (let chunk; (chunk = await body.source!.read()) !== null;) {
    text += new TextDecoder().decode(chunk);
  }
  assert.equal(text, "khachapuri");
  assert.equal(body.sha256, await body.hash());
  body.free();
});

Deno.test("a body that is hashed is waited for until it has come, another is not", async () => {
  const source = () => textSource("khacha");
  assert.ok(meterBody(null, true, () => {}).isWhole());
  assert.ok(meterBody(source(), false, () => {}).isWhole());
  const body = meterBody(source(), true, () => {});
  assert.ok(!body.isWhole());
  await body.hash();
  assert.ok(body.isWhole());
});

Deno.test("a body that breaks off, or is too large, is told once and never whole", async () => {
  const cases: [ByteSource, string][] = [
    [broken(3), "invalid_input"],
    [whole(REQUEST_BODY_BYTES_MAX + 1), "body_too_large"],
  ];
  for (const [source, code] of cases) {
    let told = 0;
    const body = meterBody(source, true, () => told += 1);
    assert.equal(body.failure(), null);
    const readAll = async () => {
      while (await body.source!.read() !== null);
    };
    await assert.rejects(readAll, { code });
    assert.equal(body.failure()?.code, code);
    assert.equal(await body.hash(), null);
    assert.equal(told, 1);
  }
});

Deno.test("a body that is wanted whole and breaks off frees its memory", async () => {
  const read = createBodyReader(400);
  await assert.rejects(read(broken(400), PAYER), { code: "invalid_input", message: /broke off/ });
  (await read(whole(400), PAYER)).free();
});
