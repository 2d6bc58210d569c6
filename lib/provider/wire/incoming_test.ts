import assert from "node:assert/strict";
import { CHUNK_OVERHEAD_BYTES_MAX } from "../../limits.ts";
import { mirror, openWire, textAnswer, textOf } from "../../../worlds/wire.ts";

const HEAD = "POST /up HTTP/1.1\r\nHost: a\r\n";

Deno.test("an upload that breaks off is no whole one, and who listens is told", async () => {
  await using wire = await openWire(mirror);
  const cases: [string, string | null, RegExp][] = [
    ["Content-Length: 10\r\n\r\nabc", null, /^3 bytes .* in place of 10: the caller hung up/],
    ["Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", null, /^3 bytes .*: the caller hung up/],
    ["Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "zz\r\n", /^3 bytes .* not framed/],
    ["Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "3\r\nabcd", /not framed/],
  ];
  for (const [start, rest, reason] of cases) {
    await using socket = await wire.connect();
    await socket.write(HEAD + start);
    // Only once the first bytes have been read can the rest be told from them.
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (rest === null) await socket.closeWrite();
    else await socket.write(rest);
    const answer = await socket.readAll();
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.match(answer.split("\r\n\r\n")[1]!, reason);
  }
});

Deno.test("a caller that leaves is noticed, before its body and after", async () => {
  const left = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using wire = await openWire((request) => {
    const index = Number(request.path.slice(1));
    return new Promise((resolve) => {
      request.whenGone(() => {
        left[index]!.resolve(String(request.hasGone()));
        resolve(textAnswer("nobody hears it"));
      });
      begun[index]!.resolve();
    });
  });
  for (const [index, start] of ["\r\n", "Content-Length: 9\r\n\r\nabc"].entries()) {
    const socket = await wire.connect();
    await socket.write(`POST /${index} HTTP/1.1\r\nHost: a\r\n${start}`);
    await begun[index]!.promise;
    socket.close();
    assert.equal(await left[index]!.promise, "true");
  }
});

Deno.test("nothing of a body is read before somebody asks, and then all of it once", async () => {
  const asked = Promise.withResolvers<void>();
  await using wire = await openWire(async (request) => {
    await asked.promise;
    return textAnswer(String((await textOf(request)).length));
  });
  await using socket = await wire.connect();
  await socket.write(`${HEAD}Connection: close\r\nContent-Length: 3000000\r\n\r\n`);
  const sent = socket.write("x".repeat(3_000_000));
  asked.resolve();
  await sent;
  assert.match(await socket.readAll(), /\r\n\r\n3000000$/);
});

Deno.test("readers that wait at once are served in order, and told of a break all", async () => {
  const seen = Promise.withResolvers<unknown[]>();
  await using wire = await openWire(async ({ body }) => {
    const reads = [body!.read(), body!.read(), body!.read()];
    const ends = await Promise.allSettled(reads);
    seen.resolve(ends.map((end) => end.status === "fulfilled" ? end.value?.length : "broken"));
    return textAnswer("");
  });
  await using socket = await wire.connect();
  await socket.write(`${HEAD}Content-Length: 9\r\n\r\nabc`);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await socket.closeWrite();
  assert.deepEqual(await seen.promise, [3, "broken", "broken"]);
});

Deno.test("a request without a body has none, and one of no bytes ends at once", async () => {
  await using wire = await openWire(async ({ body }) =>
    textAnswer(body === null ? "none" : String(await body.read()))
  );
  const close = "Connection: close\r\n";
  assert.match(await wire.say(`${HEAD}${close}\r\n`), /\r\n\r\nnone$/);
  assert.match(await wire.say(`${HEAD}${close}Content-Length: 0\r\n\r\n`), /\r\n\r\nnull$/);
});

/** So many chunks of so many bytes. */
const chunks = (count: number, size: number) =>
  `${size.toString(16)}\r\n${"x".repeat(size)}\r\n`.repeat(count);

Deno.test("chunks of any honest size are a body, however they are cut and whatever is behind", async () => {
  await using wire = await openWire(async (request) => {
    // The body waits, as it does while a sandbox is made ready.
    await new Promise((resolve) => setTimeout(resolve, 30));
    return textAnswer(String((await textOf(request)).length));
  });
  for (const [count, size] of [[300, 1_024], [100, 8_192], [2_000, 100], [3_000, 1], [4, 65_536]]) {
    await using socket = await wire.connect();
    await socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
    for (let sent = 0; sent < count!; sent += 50) {
      await socket.write(chunks(Math.min(50, count! - sent), size!));
    }
    await socket.write("0\r\n\r\n");
    assert.match(await socket.readUntil("\r\n\r\n"), /^HTTP\/1\.1 200 /, `${count} of ${size}`);
  }
  const ahead = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(3_000)}\r\n`;
  const answers = await wire.say(
    `${HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n` +
      `${ahead}\r\n`.repeat(14) + `${ahead}Connection: close\r\n\r\n`,
  );
  assert.equal(answers.match(/HTTP\/1\.1 200 /g)?.length, 16);
});

Deno.test("what is mostly about its chunks is refused", async () => {
  await using wire = await openWire(mirror);
  const padding = "a".repeat(2 * CHUNK_OVERHEAD_BYTES_MAX);
  const answer = await wire.say(
    `${HEAD}Transfer-Encoding: chunked\r\n\r\n3;${padding}\r\nabc\r\n0\r\n\r\n`,
  );
  assert.match(answer, /^HTTP\/1\.1 400 .*more about them/s);
});
