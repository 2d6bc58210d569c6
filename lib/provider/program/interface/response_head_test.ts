import assert from "node:assert/strict";
import fc from "fast-check";
import { KhachapuriError } from "../../../errors.ts";
import { RESPONSE_HEAD_BYTES_MAX } from "../../../limits.ts";
import { outputOf, streamOf as bodyOf } from "../../../../sandbox/output.ts";
import { readCgiResponse } from "./cgi.ts";
import { readCurlResponse } from "./curl.ts";

const READERS = { curl: readCurlResponse, cgi: readCgiResponse };

const bytesOf = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const streamOf = (...chunks: (string | Uint8Array)[]) =>
  ReadableStream.from(chunks.map((chunk) => typeof chunk === "string" ? bytesOf(chunk) : chunk));

async function read(text: string | string[]) {
  const chunks = typeof text === "string" ? [text] : text;
  const response = await readCurlResponse(outputOf(streamOf(...chunks)));
  const { status, headers, hasHead } = response;
  const body = await new Response(bodyOf(response)).text();
  return { status, headers: [...new Headers(headers)], body, hasHead };
}

const refuses = (text: string, message: RegExp) =>
  assert.rejects(read(text), { code: "program_failed", message });

Deno.test("plain output is the body of a 200", async () => {
  const expected = { status: 200, headers: [], hasHead: false };
  for (const body of ["hello\n", "", "HTT", "HTTP", "HTTPS/1.1 200 OK\n\n", "\nHTTP/1.1 200 OK"]) {
    assert.deepEqual(await read(body), { ...expected, body });
  }
});

Deno.test("a head as curl -i prints it gives status, headers and body", async () => {
  const text = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nX-A:  1 \r\n\r\nno\r\nbody";
  assert.deepEqual(await read(text), {
    status: 404,
    headers: [["content-type", "text/plain"], ["x-a", "1"]],
    body: "no\r\nbody",
    hasHead: true,
  });
});

Deno.test("bare newlines and the status lines of HTTP/2 and HTTP/3 are fine", async () => {
  assert.equal((await read("HTTP/2 201 \nx: y\n\nbody")).status, 201);
  assert.equal((await read("HTTP/3 299\n\n")).status, 299);
  assert.equal((await read("HTTP/1.0 500 A b\n\nx")).body, "x");
});

Deno.test("interim heads before the final one are skipped", async () => {
  const text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" +
    "HTTP/1.1 200 OK\r\na: b\r\n\r\nHTTP/1.1 is the body";
  const answer = await read(text);
  assert.deepEqual(answer.headers, [["a", "b"]]);
  assert.equal(answer.body, "HTTP/1.1 is the body");
});

Deno.test("a program cannot switch protocols", async () => {
  await refuses("HTTP/1.1 101 Switching Protocols\nupgrade: x\n\n", /cannot switch protocols/);
});

Deno.test("the head may arrive byte by byte", async () => {
  const text = "HTTP/1.1 200 OK\r\nx: y\r\n\r\nbody";
  const answer = await read([...text]);
  assert.deepEqual(answer.headers, [["x", "y"]]);
  assert.equal(answer.body, "body");
});

Deno.test("repeated headers stay apart where they must", async () => {
  const text = "HTTP/1.1 200 OK\nset-cookie: a=1\nSet-Cookie: b=2\nvary: a\nvary: b\n\n";
  assert.deepEqual((await read(text)).headers, [
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
    ["vary", "a, b"],
  ]);
});

Deno.test("RFC 9110 5.3: lists and challenges go on as they were printed, one value goes on once", async () => {
  const text = "HTTP/1.1 401 No\nvary: a\nWWW-Authenticate: Basic realm=x\nlocation: /x\n" +
    'vary: b\nwww-authenticate: Digest realm="y", nonce="z"\nLocation: /x\n\n';
  const { headers } = await readCurlResponse(outputOf(streamOf(text)));
  assert.deepEqual(headers, [
    ["vary", "a"],
    ["www-authenticate", "Basic realm=x"],
    ["location", "/x"],
    ["vary", "b"],
    ["www-authenticate", 'Digest realm="y", nonce="z"'],
  ]);
  for (const name of ["Content-Type", "Location", "ETag", "Access-Control-Allow-Origin"]) {
    const twice = `HTTP/1.1 200 OK\n${name}: a\n${name.toLowerCase()}: b\n\n`;
    await refuses(twice, new RegExp(`two different ${name.toLowerCase()}`));
  }
});

Deno.test("no answer has hundreds of fields", async () => {
  const fields = (count: number) => Array.from({ length: count }, (_, n) => `x-${n}: 1\n`).join("");
  assert.equal((await read(`HTTP/1.1 200 OK\n${fields(256)}\n`)).headers.length, 256);
  await refuses(`HTTP/1.1 200 OK\n${fields(257)}\n`, /more than 256 fields/);
});

Deno.test("payment, framing and hop-by-hop headers of a program are dropped", async () => {
  const text = "HTTP/1.1 200 OK\nPAYMENT-REQUIRED: forged\npayment-response: x\nX-Payment-Y: z\n" +
    "Payer: me\nContent-Length: 9999\nTransfer-Encoding: chunked\nConnection: x-hop\nX-Hop: 1\n" +
    "Keep-Alive: 1\nUpgrade: h2c\nProxy-Authenticate: b\nTrailer: t\nX-Kept: yes\n\nbody";
  const answer = await read(text);
  assert.deepEqual(answer.headers, [["x-kept", "yes"]]);
  assert.equal(answer.body, "body");
});

Deno.test("a malformed head is the program's failure", async () => {
  await refuses("HTTP/1.1\n\n", /no status line/);
  await refuses("HTTP/1.1 OK\n\n", /no status line/);
  await refuses("HTTP/1.1 2000 OK\n\n", /no status line/);
  await refuses("HTTP/1.1 099 x\n\n", /no status line/);
  await refuses("HTTP/1.1 600 x\n\n", /no status line/);
  await refuses("HTTP/1.1 200 OK\nno colon\n\n", /no header field/);
  await refuses("HTTP/1.1 200 OK\n: value\n\n", /no header field/);
  await refuses("HTTP/1.1 200 OK\nname : value\n\n", /no header field/);
  await refuses("HTTP/1.1 200 OK\na: b\n folded\n\n", /no header field/);
  await refuses("HTTP/1.1 200 OK\na: b\rc: d\n\n", /control characters/);
  await refuses("HTTP/1.1 200 OK\na: b\0\n\n", /control characters/);
  await refuses("HTTP/1.1 100 Continue\n\nbody\n", /no status line/);
  await refuses("HTTP/1.1 200 OK\na: b", /cut off/);
  await refuses("HTTP/1.1 200 OK\na: b\n", /cut off/);
  await refuses("HTTP/1.1 200 O", /cut off/);
});

Deno.test("heads are bounded, all of them together", async () => {
  const filler = `x: ${"y".repeat(1000)}\n`.repeat(100);
  await refuses(`HTTP/1.1 200 OK\n${filler}\n`, /larger than/);
  await refuses(`HTTP/1.1 200 OK\nx: ${"y".repeat(RESPONSE_HEAD_BYTES_MAX)}`, /larger than/);
  await refuses("HTTP/1.1 100 Continue\n\n".repeat(4_000), /larger than/);
  // The body is not: only the head counts.
  const body = "z".repeat(3 * RESPONSE_HEAD_BYTES_MAX);
  assert.equal((await read(`HTTP/1.1 200 OK\n\n${body}`)).body.length, body.length);
});

Deno.test("an endless line without an end is given up, and the program told so", async () => {
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytesOf("HTTP/1.1 200 OK\nx: ")),
    pull: (controller) => controller.enqueue(new Uint8Array(10_000).fill(120)),
    cancel: () => void (cancelled = true),
  });
  await assert.rejects(readCurlResponse(outputOf(endless)), { code: "program_failed" });
  assert(cancelled);
});

Deno.test("the body streams: what is printed is there before the program ends", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const pending = readCurlResponse(outputOf(readable));
  await writer.write(bytesOf("HTTP/1.1 200 OK\n\nfirst"));
  const response = await pending;
  assert.deepEqual(await response.read(), bytesOf("first"));
  const second = response.read();
  await writer.write(bytesOf("second"));
  assert.deepEqual(await second, bytesOf("second"));
  await Promise.all([writer.close(), response.read()]);
});

Deno.test("plain output is passed on as soon as it can't become a head", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const pending = readCurlResponse(outputOf(readable));
  await writer.write(bytesOf("hi"));
  const response = await pending;
  assert.deepEqual(await response.read(), bytesOf("hi"));
  await Promise.all([writer.close(), response.read()]);
});

Deno.test("cancelling the body cancels the program's output", async () => {
  let cancelled = 0;
  const stream = () =>
    new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytesOf("HTTP/1.1 200 OK\n\nx")),
      cancel: () => void cancelled++,
    });
  await (await readCurlResponse(outputOf(stream()))).cancel();
  await bodyOf(await readCurlResponse(outputOf(stream()))).cancel();
  assert.equal(cancelled, 2);
});

Deno.test("whatever a program prints, we answer or refuse cleanly, with valid headers", async () => {
  const piece = fc.oneof(
    fc.constantFrom("HTTP/1.1 200 OK", "HTTP/2 100", "\r\n", "\n", "\r", ": ", "a: b", "\0", " "),
    fc.constantFrom("Content-Length: 5", "Status: 204", "PAYMENT-REQUIRED: x", "Location: /x"),
    fc.string({ maxLength: 8 }),
  );
  const printed = fc.array(fc.array(piece, { maxLength: 6 }).map((parts) => parts.join("")), {
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(printed, fc.constantFrom("curl", "cgi"), async (chunks, style) => {
      const stream = streamOf(...chunks.map((chunk) => new TextEncoder().encode(chunk)));
      try {
        const response = await READERS[style as "curl"](outputOf(stream));
        const { status, headers } = response;
        assert(status >= 200 && status <= 599);
        for (const [name, value] of headers) {
          assert(!/^(payment-|content-length$|connection$)/.test(name));
          assert(!/[\r\n\0]/.test(value));
        }
        const isEmpty = [204, 205, 304].includes(status);
        new Response(isEmpty ? null : "", { status, headers });
        await new Response(bodyOf(response)).bytes();
      } catch (error) {
        assert(error instanceof KhachapuriError, String(error));
        assert.equal(error.code, "program_failed");
      }
    }),
    { numRuns: 1_000 },
  );
});
