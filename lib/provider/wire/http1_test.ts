import assert from "node:assert/strict";
import { turn } from "../../../worlds/turns.ts";
import { mirror, openWire } from "../../../worlds/wire.ts";
import { REQUEST_HEADER_BYTES_MAX, REQUEST_TARGET_BYTES_MAX } from "../../limits.ts";

const HEAD = "Host: p.example\r\nConnection: close\r\n";
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1]);
const bodyOf = (answer: string) => answer.slice(answer.indexOf("\r\n\r\n") + 4);

Deno.test("a request is heard as it was sent", async () => {
  await using wire = await openWire(mirror);
  const text = await wire.say(
    `GET /a/%2e%2e/b\\'"%27? HTTP/1.1\r\n${HEAD}X-A: 1\r\nX-A: caf\xe9\r\n` +
      "Content-Length: 3\r\n\r\nabc",
  );
  const octets = Uint8Array.from(bodyOf(text), (char) => char.charCodeAt(0));
  assert.deepEqual(JSON.parse(new TextDecoder().decode(octets)), {
    method: "GET",
    path: "/a/%2e%2e/b\\'\"%27",
    query: "",
    host: "p.example",
    protocol: "HTTP/1.1",
    fields: [
      ["host", "p.example"],
      ["connection", "close"],
      ["x-a", "1"],
      ["x-a", "caf\xe9"],
      ["content-length", "3"],
    ],
    body: "abc",
  });
});

Deno.test("HTTP/1.0 is told as such, and needs no Host", async () => {
  await using wire = await openWire(mirror);
  const { protocol, host } = JSON.parse(bodyOf(await wire.say("GET / HTTP/1.0\r\n\r\n")));
  assert.deepEqual([protocol, host], ["HTTP/1.0", ""]);
});

Deno.test("what is no HTTP is refused in words, and its connection ends", async () => {
  await using wire = await openWire(() => assert.fail("it was served"));
  const cases: [string, number][] = [
    ["GET / HTTP/1.1\r\n\r\n", 400],
    ["nonsense\r\n\r\n", 400],
    [`GET / HTTP/1.1\r\n${HEAD}X : a\r\n\r\n`, 400],
    [`GET / HTTP/1.1\r\n${HEAD}Host: other\r\n\r\n`, 400],
    [`POST / HTTP/1.1\r\n${HEAD}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`, 400],
    [`POST / HTTP/1.1\r\n${HEAD}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    ["POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400],
    [`POST / HTTP/1.1\r\n${HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n`, 501],
    [`POST / HTTP/1.1\r\n${HEAD}Expect: the-best\r\n\r\n`, 417],
    [`CONNECT a:443 HTTP/1.1\r\n${HEAD}\r\n`, 405],
    [`GET / HTTP/1.1\r\n${HEAD}X: ${"x".repeat(65_536)}\r\n\r\n`, 431],
  ];
  for (const [text, status] of cases) {
    const answer = await wire.say(text);
    assert.equal(statusOf(answer), status, text.slice(0, 60));
    assert.ok(JSON.parse(bodyOf(answer)).message, text.slice(0, 60));
  }
});

Deno.test("a head may be as large as its parts may be together", async () => {
  await using wire = await openWire(mirror);
  const path = `/${"x".repeat(REQUEST_TARGET_BYTES_MAX - 1)}`;
  const field = `X: ${"x".repeat(REQUEST_HEADER_BYTES_MAX - HEAD.length - 5)}`;
  assert.equal(statusOf(await wire.say(`GET ${path} HTTP/1.1\r\n${HEAD}${field}\r\n\r\n`)), 200);
});

Deno.test("no field is dropped, however many there are", async () => {
  await using wire = await openWire(mirror);
  const fields = Array.from({ length: 2_500 }, (_, each) => `x:${each % 10}\r\n`).join("");
  const answer = await wire.say(`GET / HTTP/1.1\r\n${HEAD}${fields}\r\n`);
  assert.equal(JSON.parse(bodyOf(answer)).fields.length, 2_502);
});

Deno.test("garbage behind a request is no request, and costs it nothing", async () => {
  await using wire = await openWire(mirror);
  const answer = await wire.say("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGARBAGE\r\n\r\n");
  assert.equal(answer.match(/HTTP\/1\.1 \d+/g)?.length, 1);
  assert.equal(statusOf(answer), 200);
});

Deno.test("requests that are sent ahead are answered in order, one after the other", async () => {
  let underWay = 0;
  await using wire = await openWire(async (request) => {
    assert.equal(underWay += 1, 1);
    await turn();
    underWay -= 1;
    return await mirror(request);
  });
  const ahead = ["/1", "/2"].map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join("");
  const answer = await wire.say(`${ahead}GET /3 HTTP/1.1\r\n${HEAD}\r\n`);
  assert.deepEqual(answer.match(/"path":"\/\d"/g), ['"path":"/1"', '"path":"/2"', '"path":"/3"']);
});

Deno.test("a body that is none from its first chunk on is refused before anything begins", async () => {
  await using wire = await openWire(() => assert.fail("it was served"));
  const start = `POST / HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n`;
  for (const chunk of ["zz\r\nabc", "-1\r\n", "3\nabc\r\n"]) {
    assert.equal(statusOf(await wire.say(start + chunk)), 400, chunk);
  }
});
