/** The chunked coding: RFC 9112 section 7.1. */
import { type Chapter, ECHO, get, post, SMUGGLED, spoiled, taken } from "../case.ts";

const chunked = (body: string) => post(body, "Transfer-Encoding: chunked");
const POSTED = { method: "POST", body: "abc" };
const sized = (line: string) => chunked(`${line}\r\nabc\r\n0\r\n\r\n`);
const trailed = (...lines: string[]) =>
  chunked(`3\r\nabc\r\n0\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`);

const BAD_SIZES = [
  ["nothing", "", "http-garden server bug 17"],
  ["a plus sign", "+3", "Http11Probe SMUG-CHUNK-SIZE-PLUS; CVE-2023-38697"],
  ["a minus sign", "-3", "Http11Probe SMUG-CHUNK-NEGATIVE"],
  ["0x", "0x3", "CVE-2023-38697; Http11Probe SMUG-CHUNK-HEX-PREFIX"],
  ["-0x", "-0x3", "http-garden transducer bug 19"],
  ["an underscore", "0_3", "http-garden server bug 1"],
  ["a letter that is no digit", "Z", "http-garden transducer bug 2"],
  ["a word after the digits", "3these-bytes", "http-garden server bug 22"],
  ["a space before it", " 3", "http-garden transducer bug 24; Http11Probe SMUG-CHUNK-LEADING-SP"],
  ["a space after it", "3 ", "Http11Probe SMUG-CHUNK-SIZE-TRAILING-OWS"],
  ["a tab after it", "3\t", "RFC 9112 7.1"],
  ["a comma", "3,3", "RFC 9112 7.1"],
  ["more than 64 bits", "10000000000000003", "RFC 9112 7.1; Http11Probe MAL-CHUNK-SIZE-OVERFLOW"],
  ["forty digits", "f".repeat(40), "RFC 9112 7.1"],
] as const;

const BAD_LINES = [
  [
    "a size that a bare LF ends",
    "3\nabc\r\n0\r\n\r\n",
    "RFC 9112 2.2; Http11Probe SMUG-CHUNK-LF-TERM",
  ],
  ["a size that a bare CR ends", "3\rabc\r\n0\r\n\r\n", "Http11Probe SMUG-CHUNK-BARE-CR-TERM"],
  [
    "a size that CR and another octet end",
    "5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\n",
    "http-garden server bug 31",
  ],
  ["a chunk that LF alone ends", "3\r\nabc\n0\r\n\r\n", "http-garden transducer bug 13"],
  [
    "a chunk that nothing ends",
    "3\r\nabc0\r\n\r\n",
    "Http11Probe SMUG-CHUNK-MISSING-TRAILING-CRLF",
  ],
  ["a chunk longer than its size", "3\r\nabcd\r\n0\r\n\r\n", "Http11Probe SMUG-CHUNK-SPILL"],
  ["a last chunk that LF ends", "3\r\nabc\r\n0\n\r\n", "http-garden README"],
  ["a body that LF ends", "3\r\nabc\r\n0\r\n\n", "RFC 9112 2.2"],
  [
    "an extension with LF",
    "3;a\nb\r\nabc\r\n0\r\n\r\n",
    "CVE-2023-38697; Http11Probe SMUG-CHUNK-EXT-LF",
  ],
  [
    "an extension with CR",
    "3;a\rb\r\nabc\r\n0\r\n\r\n",
    "CVE-2023-30589; Http11Probe SMUG-CHUNK-EXT-CR",
  ],
  ["an extension with NUL", "3;a\0b\r\nabc\r\n0\r\n\r\n", "Http11Probe SMUG-CHUNK-EXT-CTRL"],
  [
    "an extension without a semicolon",
    "3 a\r\nabc\r\n0\r\n\r\n",
    "llhttp test/request/transfer-encoding.md",
  ],
  ["CR before an extension", "2\r\r;a\r\n02\r\n41\r\n0\r\n\r\n", "http-garden transducer bug 3"],
] as const;

const FORBIDDEN = [
  ["Host", "Host: evil.example", "Http11Probe SMUG-TRAILER-HOST"],
  ["Authorization", "Authorization: Basic eDp5", "Http11Probe SMUG-TRAILER-AUTH"],
  ["Content-Type", "Content-Type: text/evil", "Http11Probe SMUG-TRAILER-CONTENT-TYPE"],
  ["PAYMENT-SIGNATURE", "PAYMENT-SIGNATURE: e30=", "RFC 9110 6.5.1"],
  ["X-Forwarded-For", "X-Forwarded-For: 192.0.2.1", "RFC 9110 6.5.1"],
] as const;

const nameOf = (field: string) => field.slice(0, field.indexOf(":")).toLowerCase();

export const CHUNKS: Chapter = {
  title: "Chunks and trailers",
  about:
    "A chunk that is not to the letter ends the connection, and the run, which costs its credit: " +
    "what came by then is never taken for the whole. Trailers are checked and dropped: none " +
    "becomes a field of the request.",
  cases: [
    ...BAD_SIZES.map(([what, line, source]) =>
      spoiled(`a chunk size with ${what}`, sized(line), source)
    ),
    ...BAD_LINES.map(([what, body, source]) => spoiled(what, chunked(body), source)),
    spoiled(
      "an invalid size, then a request",
      [chunked("+0\r\n\r\nX"), SMUGGLED],
      "http-garden server bug 47; Http11Probe SMUG-CHUNK-INVALID-SIZE-DESYNC",
    ),
    spoiled(
      "an extension of 4 MiB",
      sized(`3;a=${"b".repeat(1 << 22)}`),
      "CVE-2024-22019; Http11Probe MAL-CHUNK-EXT-64K",
      [400, 413, 431],
    ),
    spoiled(
      "extensions of 4 MiB over many chunks",
      chunked(`1;${"a".repeat(1_000)}\r\nx\r\n`.repeat(4_096) + "0\r\n\r\n"),
      "CVE-2024-22019; CVE-2023-39326",
      [400, 413, 431],
    ),
    spoiled("trailers over 64 KiB", trailed(`X-A: ${"b".repeat(70_000)}`), "RFC 9112 7.1.2", [
      400,
      431,
    ]),
    spoiled("a trailer with a space before its colon", trailed("X-A : b"), "RFC 9112 5.1"),
    spoiled("a folded trailer", trailed("X-A: b", " c"), "RFC 9112 5.2"),
    spoiled(
      "a trailer that LF ends",
      chunked("3\r\nabc\r\n0\r\nX-A: b\n\r\n"),
      "Http11Probe SMUG-CHUNK-LF-TRAILER",
    ),
    spoiled("a trailer with CR", trailed("X-A: b\rc"), "RFC 9112 2.2"),
    spoiled("a trailer without a name", trailed(": b"), "RFC 9112 5"),
    spoiled(
      "Content-Length in a trailer",
      trailed("Content-Length: 5"),
      "RFC 9110 6.5.1; Http11Probe SMUG-TRAILER-CL",
    ),
    spoiled(
      "Transfer-Encoding in a trailer",
      trailed("Transfer-Encoding: chunked"),
      "RFC 9110 6.5.1; Http11Probe SMUG-TRAILER-TE",
    ),
    taken(
      "trailers that look like a request are trailers",
      chunked(`3\r\nabc\r\n0\r\nX:${SMUGGLED}`),
      "http-garden server bug 39",
      { ...POSTED, fields: { x: [] } },
    ),
    ...FORBIDDEN.map(([what, field, source]) =>
      taken(`${what} in a trailer is no field of the request`, trailed(field), source, {
        ...POSTED,
        fields: { [nameOf(field)]: [] },
      })
    ),
    taken(
      "a trailer that the request announced is dropped as well",
      post("3\r\nabc\r\n0\r\nX-A: b\r\n\r\n", "Transfer-Encoding: chunked", "Trailer: X-A"),
      "RFC 9110 6.5.1; Http11Probe COMP-CHUNKED-TRAILER-VALID",
      {
        ...POSTED,
        fields: { "x-a": [], trailer: [] },
      },
    ),
    taken(
      "sizes in capitals",
      chunked("A\r\n0123456789\r\n0\r\n\r\n"),
      "RFC 9112 7.1; Http11Probe COMP-CHUNKED-HEX-UPPERCASE",
      { method: "POST", body: "0123456789" },
    ),
    taken("zeros before a size", chunked("0003\r\nabc\r\n000\r\n\r\n"), "RFC 9112 7.1", POSTED),
    taken(
      "many chunks",
      chunked("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"),
      "RFC 9112 7.1; Http11Probe COMP-CHUNKED-MULTI",
      POSTED,
    ),
    taken(
      "an empty chunked body",
      chunked("0\r\n\r\n"),
      "RFC 9112 7.1; Http11Probe COMP-CHUNKED-EMPTY",
      { method: "POST", body: "" },
    ),
    taken(
      "an extension",
      sized("3;a=b"),
      "RFC 9112 7.1.1; Http11Probe COMP-CHUNKED-EXTENSION",
      POSTED,
    ),
    taken("a quoted extension", sized('3;a="b;c"'), "RFC 9112 7.1.1", POSTED),
    taken(
      "every octet in a piece of its own",
      [...chunked("3\r\nabc\r\n0\r\nX: y\r\n\r\n")],
      "RFC 9112 7.1",
      POSTED,
    ),
    taken("octets of every value", chunked(`100\r\n${everyOctet()}\r\n0\r\n\r\n`), "RFC 9110 6.4", {
      method: "POST",
      body: everyOctet(),
    }),
    spoiled(
      "more than the provider takes, chunk by chunk",
      chunked(`100000\r\n${"x".repeat(1 << 20)}\r\n`.repeat(17)),
      "RFC 9110 15.5.14",
      413,
    ),
    taken(
      "a request in a chunk is content",
      `${chunked(`${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`)}${
        get(`/${ECHO}/next`)
      }`,
      "RFC 9112 9.3.2",
      [
        { method: "POST", body: SMUGGLED },
        { method: "GET", target: `/${ECHO}/next` },
      ],
    ),
  ],
};

function everyOctet(): string {
  return Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join("");
}
