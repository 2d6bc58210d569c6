import assert from "node:assert/strict";
import { type ByteSource, chunksSource } from "../../byte_source.ts";
import { KhachapuriError } from "../../errors.ts";
import { WHOLE_BODY_BYTES_MAX } from "../../limits.ts";
import { createBodyReader, meterBody } from "./request_body.ts";

const PAYER = "0xA";
const ROOM = { heldBytesMax: 400, bytesMax: WHOLE_BODY_BYTES_MAX };
const METERING = { bytesMax: 10, isHashed: true, onFailure() {} };

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
  const read = createBodyReader({ ...ROOM, timeoutMs: 1 });
  await assert.rejects(read(stalled(400), PAYER, null), {
    code: "invalid_input",
    message: /in time/,
  });
  const body = await read(whole(400), PAYER, null);
  body.free();
});

Deno.test("one payer's bodies leave room for those of others", async () => {
  const read = createBodyReader(ROOM);
  const first = await read(whole(60), PAYER, null);
  await assert.rejects(read(whole(60), PAYER, null), { code: "overloaded" });
  const other = await read(whole(60), "0xB", null);
  first.free();
  const again = await read(whole(60), PAYER, null);
  for (const body of [other, again]) body.free();
});

Deno.test("a body arrives whole and once", async () => {
  const read = createBodyReader(ROOM);
  const body = await read(textSource("khacha", "puri"), PAYER, null);
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
  assert.ok(meterBody(null, METERING).isWhole());
  assert.ok(meterBody(source(), { ...METERING, isHashed: false }).isWhole());
  const body = meterBody(source(), METERING);
  assert.ok(!body.isWhole());
  await body.hash();
  assert.ok(body.isWhole());
});

Deno.test("a body that breaks off, or is too large, is told once and never whole", async () => {
  const cases: [ByteSource, string][] = [
    [broken(3), "invalid_input"],
    [whole(11), "body_too_large"],
  ];
  for (const [source, code] of cases) {
    let told = 0;
    const body = meterBody(source, { ...METERING, onFailure: () => void (told += 1) });
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
  const read = createBodyReader(ROOM);
  await assert.rejects(read(broken(400), PAYER, null), {
    code: "invalid_input",
    message: /broke off/,
  });
  (await read(whole(400), PAYER, null)).free();
});

Deno.test("a body that is held whole is bounded by itself, however much may stream", async () => {
  for (const [bytesMax, limit] of [[2 ** 40, WHOLE_BODY_BYTES_MAX], [100, 100]] as const) {
    const read = createBodyReader({ heldBytesMax: 2 * WHOLE_BODY_BYTES_MAX, bytesMax });
    const refused = { code: "body_too_large", data: { limit } };
    await assert.rejects(read(whole(limit + 1), PAYER, null), refused);
    // One that says so is not begun with.
    const unread = { read: () => assert.fail("it was read"), cancel() {} };
    await assert.rejects(read(unread, PAYER, limit + 1), refused);
    (await read(whole(limit), PAYER, limit)).free();
  }
});

Deno.test("a body that nobody sends is given up, and what came of it is no whole one", async () => {
  const time = { now: 0, looks: [] as (() => void)[] };
  const clock = {
    now: () => time.now,
    after(_ms: number, callback: () => void) {
      time.looks.push(callback);
      return () => void time.looks.splice(time.looks.indexOf(callback), 1);
    },
  };
  const pending = Promise.withResolvers<Uint8Array | null>();
  const source = { read: () => pending.promise, cancel: () => pending.resolve(null) };
  let failures = 0;
  const metering = { bytesMax: 10, isHashed: false, onFailure: () => failures++, clock };
  const body = meterBody(source, metering);
  const look = () => {
    time.now += 1_000;
    time.looks.shift()!();
  };
  for (let second = 0; second < 60; second++) look(); // Nobody waits for it.
  const read = body.source!.read();
  for (let second = 0; second < 15; second++) look();
  const why = { code: "invalid_input", message: /sent nothing of the request body for 15 s/ };
  await assert.rejects(read, why);
  assert.deepEqual([failures, time.looks.length], [1, 0]);
  await assert.rejects(body.source!.read(), why);
});
