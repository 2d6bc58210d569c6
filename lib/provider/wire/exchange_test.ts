import assert from "node:assert/strict";
import { mirror, openWire, textAnswer, textOf } from "../../../worlds/wire.ts";
import { UNWANTED_BODY_BYTES_MAX } from "../../limits.ts";

const HEAD = "POST / HTTP/1.1\r\nHost: a\r\n";
const EXPECT = `${HEAD}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`;
const refusing = () => Promise.resolve(textAnswer("pay first\n", 402));

Deno.test("a body is asked for once it is wanted, and never before a refusal", async () => {
  await using taking = await openWire(mirror);
  await using socket = await taking.connect();
  await socket.write(EXPECT);
  assert.equal(await socket.readUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  await socket.write("abc");
  assert.match(await socket.readUntil("}"), /"body":"abc"/);
  await using wire = await openWire(refusing);
  const answer = await wire.say(EXPECT);
  assert.match(answer, /^HTTP\/1\.1 402 /);
  assert.match(answer, /connection: close\r\n/);
});

Deno.test("who is refused sees it, though nobody reads its body", async () => {
  await using wire = await openWire(refusing);
  const sizes = [10, UNWANTED_BODY_BYTES_MAX / 2];
  for (const size of sizes) {
    await using socket = await wire.connect();
    await socket.write(`${HEAD}Content-Length: ${size}\r\n\r\n`);
    await socket.write("x".repeat(size));
    assert.match(await socket.readUntil("pay first\n"), /^HTTP\/1\.1 402 /, String(size));
  }
});

Deno.test("who sends much is held up, and may look for its answer then, as proxies do", async () => {
  await using wire = await openWire(refusing);
  await using socket = await wire.connect();
  await socket.write(`${HEAD}Content-Length: ${8 * UNWANTED_BODY_BYTES_MAX}\r\n\r\n`);
  await socket.write("x".repeat(UNWANTED_BODY_BYTES_MAX + 200_000));
  // By the time that others are answered, what was sent has come.
  for (let others = 0; others < 3; others++) await (await fetch(wire.url)).text();
  await socket.write("x");
  assert.match(await socket.readUntil("pay first\n"), /^HTTP\/1\.1 402 /);
});

Deno.test("who goes on sending what nobody wants is cut off", async () => {
  await using wire = await openWire(refusing);
  await using socket = await wire.connect();
  await socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
  const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
  const endless = (async () => {
    for (let sent = 0; sent < 8 * UNWANTED_BODY_BYTES_MAX; sent += 65_536) {
      await socket.write(chunk);
    }
  })();
  await assert.rejects(endless);
});

Deno.test("a request whose body was read leaves its connection to the next", async () => {
  await using wire = await openWire(async (request) => textAnswer(await textOf(request)));
  await using socket = await wire.connect();
  for (const text of ["first", "again"]) {
    await socket.write(`${HEAD}Content-Length: 5\r\n\r\n${text}`);
    assert.match(await socket.readUntil(text), /^HTTP\/1\.1 200 /);
  }
});
