import assert from "node:assert/strict";
import fc from "fast-check";
import { bytesOf } from "../../../worlds/scripted_server.ts";
import { RESPONSE_FIELDS_MAX, RESPONSE_HEAD_BYTES_MAX } from "../../limits.ts";
import { type ResponseHead, ResponseHeadReader, TrailersReader } from "./response_head.ts";

/** The head of these octets, which come in parts of so many bytes, and what is behind it. */
function read(octets: string, partBytes = Infinity): { head: ResponseHead | null; used: number } {
  const reader = new ResponseHeadReader();
  const bytes = bytesOf(octets);
  let used = 0;
  while (used < bytes.length && !reader.head) {
    used += reader.take(bytes.subarray(used, used + partBytes));
  }
  return { head: reader.head, used };
}

function refuses(octets: string, message: RegExp): void {
  for (const partBytes of [Infinity, 1, 3]) {
    assert.throws(() => read(octets, partBytes), { code: "program_failed", message }, octets);
  }
}

const HEAD = "HTTP/1.1 200 OK\r\nContent-Type:text/plain\r\nX-A: \t a b \t\r\nx-a:\r\n\r\n";

Deno.test("a head is the same however it is cut up, and what is behind it is left", () => {
  const head = {
    minor: 1,
    status: 200,
    fields: [["content-type", "text/plain"], ["x-a", "a b"], ["x-a", ""]],
  };
  for (let partBytes = 1; partBytes <= HEAD.length + 4; partBytes++) {
    assert.deepEqual(read(`${HEAD}body`, partBytes), { head, used: HEAD.length });
  }
});

Deno.test("values are octets", () => {
  fc.assert(fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 9 }), (bytes, partBytes) => {
    const value = String.fromCharCode(...bytes.filter((byte) => byte > 32 && byte !== 127));
    const { head } = read(`HTTP/1.1 200 OK\r\nX: ${value}\r\n\r\n`, partBytes);
    assert.deepEqual(head?.fields, [["x", value]]);
  }));
});

Deno.test("a reason may be missing, and what stands before it", () => {
  assert.equal(read("HTTP/1.1 404 \r\n\r\n").head?.status, 404);
  assert.equal(read("HTTP/1.0 599\r\n\r\n").head?.minor, 0);
  assert.equal(read("HTTP/1.1 200 \xc3\xa9\t!\r\n\r\n").head?.status, 200);
});

Deno.test("a line that is no status line is refused", () => {
  for (
    const line of [
      "HTTP/1.2 200 OK",
      "HTTP/1.10 200 OK",
      "HTTP/1.1  200 OK",
      "HTTP/1.1 200  OK\0",
      "HTTP/1.1 099 OK",
      "HTTP/1.1 600 OK",
      "HTTP/1.1 2000 OK",
      "HTTP/1.1 20 OK",
      "HTTP/1.1\t200 OK",
      "HTTP/1.1 200\tOK",
      "HTTP/1.1 200 O\rK",
      "HTTP/1.1",
    ]
  ) refuses(`${line}\r\n\r\n`, /is no status line/);
});

Deno.test("who speaks no HTTP/1 is refused before its line ends", () => {
  for (const octets of ["SSH-2.0", "\rH", " HTTP/1.1", "http/1.1", "ICY 200 OK", "HTTP/2 200"]) {
    refuses(octets, /does not begin with HTTP\/1.1/);
  }
  assert.equal(read("HTTP/").head, null);
});

Deno.test("lines end with CRLF and with nothing else", () => {
  refuses("HTTP/1.1 200 OK\nA: b\r\n\r\n", /does not end with CRLF/);
  refuses("HTTP/1.1 200 OK\r\nA: b\n\r\n", /does not end with CRLF/);
  refuses("HTTP/1.1 200 OK\r\nA: b\r\n\n", /does not end with CRLF/);
  refuses("HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n", /control characters/);
  refuses("HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n", /control characters/);
});

Deno.test("a line that is no field is refused", () => {
  for (
    const line of ["A : b", " A: b", "\tb", "A", ": b", "A\xe9: b", "A\0: b", "A B: c", "(A): b"]
  ) {
    refuses(`HTTP/1.1 200 OK\r\nX: y\r\n${line}\r\n\r\n`, /is no header field/);
  }
  for (const value of ["b\0", "b\x7f", "b\x1b[0m", "\x08"]) {
    refuses(`HTTP/1.1 200 OK\r\nA: ${value}\r\n\r\n`, /its A holds control characters/);
  }
});

Deno.test("as many fields and bytes as the bounds say, and no more", () => {
  const fields = (count: number) => `HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(count)}\r\n`;
  assert.equal(read(fields(RESPONSE_FIELDS_MAX)).head?.fields.length, RESPONSE_FIELDS_MAX);
  refuses(fields(RESPONSE_FIELDS_MAX + 1), /more than 256 fields/);

  const long = (bytes: number) => {
    const around = "HTTP/1.1 200 OK\r\nA: \r\n\r\n";
    return around.replace(": ", `: ${"x".repeat(bytes - around.length)}`);
  };
  assert.equal(read(long(RESPONSE_HEAD_BYTES_MAX)).used, RESPONSE_HEAD_BYTES_MAX);
  refuses(long(RESPONSE_HEAD_BYTES_MAX + 1), /larger than 65536 bytes/);
  // A line without an end is refused when it is too long already.
  refuses(`HTTP/1.1 200 OK\r\nA: ${"x".repeat(RESPONSE_HEAD_BYTES_MAX)}`, /larger than/);
});

Deno.test("a value of spaces takes no longer than others", () => {
  const spaces = " ".repeat(RESPONSE_HEAD_BYTES_MAX - 100);
  const before = performance.now();
  assert.equal(read(`HTTP/1.1 200 OK\r\nA: x${spaces}y\r\n\r\n`).head?.status, 200);
  // An expression that trims takes seconds.
  assert.ok(performance.now() - before < 500);
});

Deno.test("trailers are fields up to an empty line, or none", () => {
  const trailers = (octets: string) => {
    const reader = new TrailersReader();
    return { used: reader.take(bytesOf(octets)), fields: reader.fields };
  };
  assert.deepEqual(trailers("\r\nrest"), { used: 2, fields: [] });
  assert.deepEqual(trailers("A: b\r\n\r\nrest"), { used: 8, fields: [["a", "b"]] });
  assert.deepEqual(trailers("A: b\r\n"), { used: 6, fields: null });
  for (const line of ["A b", "Content-Length: 5", "Transfer-Encoding: chunked"]) {
    assert.throws(() => trailers(`${line}\r\n\r\n`), { code: "program_failed" });
  }
});
