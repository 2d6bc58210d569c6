/** Field lines: RFC 9112 section 5, RFC 9110 section 5. */
import { answered, type Chapter, ECHO, get, post, refused, taken } from "../case.ts";

const field = (octets: string) => get(`/${ECHO}/`, octets);
const many = (count: number, octets: string) => Array.from({ length: count }, () => octets);

const NAMES = [
  refused("a space before the colon", field("X-A : b"), "RFC 9112 5.1; CVE-2021-22959"),
  refused(
    "a tab before the colon",
    field("X-A\t: b"),
    "RFC 9112 5.1; Http11Probe NORM-TAB-IN-NAME",
  ),
  refused("a line without a colon", field("X-A b"), "Http11Probe RFC9112-5-HEADER-NO-COLON"),
  refused("a field without a name", field(": b"), "RFC 9112 5; http-garden server bug 18"),
  refused("a colon alone", field(":"), "http-garden server bug 27"),
  refused("a space within a name", field("X A: b"), "RFC 9110 5.1"),
  refused(
    "brackets in a name",
    field("X[A]: b"),
    "RFC 9110 5.6.2; Http11Probe RFC9112-5-INVALID-HEADER-NAME",
  ),
  refused("NUL in a name", field("X\0A: b"), "http-garden server bug 14"),
  refused("a control character in a name", field("X\x01A: b"), "http-garden server bug 14"),
  refused("an octet beyond ASCII in a name", field("\xefoo: b"), "http-garden server bug 8"),
  refused(
    "an octet beyond ASCII at a name's end",
    field("Content-Length\x85: 10"),
    "http-garden server bug 20",
  ),
  refused(
    "a name over two lines",
    post("0\r\n\r\n", "Transfer-", "Encoding: chunked"),
    "http-garden server bug 37",
  ),
  refused(
    "a space before the first field",
    `GET /${ECHO}/ HTTP/1.1\r\n Host: a\r\n\r\n`,
    "RFC 9112 2.2; Http11Probe COMP-WHITESPACE-BEFORE-HEADERS",
  ),
  refused(
    "a tab before a field's name",
    `GET /${ECHO}/ HTTP/1.1\r\n\tContent-Length: 1\r\nHost: a\r\n\r\nX`,
    "http-garden server bug 4",
  ),
  taken(
    "a name with an underscore is another name",
    post("abc", "Content-Length: 3", "Transfer_Encoding: chunked"),
    "Http11Probe NORM-UNDERSCORE-TE",
    { method: "POST", body: "abc" },
  ),
  taken(
    "a length by another name is none",
    `${post("", "Content_Length: 9")}${get(`/${ECHO}/next`)}`,
    "Http11Probe NORM-UNDERSCORE-CL",
    [
      { method: "POST", body: "" },
      { method: "GET", target: `/${ECHO}/next` },
    ],
  ),
];

const VALUES = [
  refused("NUL in a value", field("X-A: b\0c"), "RFC 9110 5.5; http-garden server bug 2"),
  refused("NUL at a value's end", field("X-A: b\0"), "http-garden server bug 43"),
  refused("CR in a value", field("X-A: b\rc"), "RFC 9112 2.2; CVE-2023-30589"),
  refused(
    "CR that hides a field",
    field("X-A: b\rTransfer-Encoding: chunked"),
    "http-garden server bug 13",
  ),
  refused(
    "LF that begins a field",
    field("X-A: b\nX-B: c"),
    "RFC 9112 2.2; Http11Probe RFC9112-2.2-BARE-LF-HEADER",
  ),
  refused(
    "LF in place of a value",
    `GET /${ECHO}/ HTTP/1.1\r\nHost: a\r\nX-A:\n\nGET /${ECHO}/ HTTP/1.1\r\n\r\n`,
    "http-garden server bug 19",
  ),
  refused("CR CR LF at a line's end", field("X-A: b\r"), "CVE-2023-30589"),
  refused(
    "a head that CR and another octet end",
    `GET /${ECHO}/ HTTP/1.1\r\nHost: a\r\n\rZGET /evil: HTTP/1.1\r\nHost: a\r\n\r\n`,
    "http-garden server bug 30",
  ),
  refused(
    "a control character in a value",
    field("X-A: b\x01c"),
    "RFC 9110 5.5; Http11Probe MAL-CONTROL-CHARS-HEADER",
  ),
  refused("DEL in a value", field("X-A: b\x7fc"), "RFC 9110 5.5"),
  refused(
    "a folded value",
    field("X-A: b\r\n c"),
    "RFC 9112 5.2; Http11Probe RFC9112-5.1-OBS-FOLD",
  ),
  refused("a line of spaces", field(" "), "Http11Probe MAL-WHITESPACE-ONLY-LINE"),
  taken("octets beyond ASCII in a value, as sent", field("X-A: caf\xe9"), "RFC 9110 5.5", {
    method: "GET",
    fields: { "x-a": ["caf\xe9"] },
  }),
  taken("white space around a value is not of it", field("X-A: \t b\tc \t"), "RFC 9110 5.5", {
    method: "GET",
    fields: { "x-a": ["b\tc"] },
  }),
  taken("an empty value", field("X-A:"), "RFC 9110 5.5", {
    method: "GET",
    fields: { "x-a": [""] },
  }),
];

const LISTS = [
  taken(
    "repeated fields, in order",
    get(`/${ECHO}/`, "X-A: 1", "X-B: 2", "X-A: 3"),
    "RFC 9110 5.3",
    {
      method: "GET",
      fields: { "x-a": ["1", "3"], "x-b": ["2"] },
    },
  ),
  taken(
    "what Connection names stays on the connection",
    get(`/${ECHO}/`, "Connection: X-A, keep-alive", "X-A: 1", "Keep-Alive: 3"),
    "RFC 9110 7.6.1",
    {
      method: "GET",
      fields: { "x-a": [], connection: [], "keep-alive": [] },
    },
  ),
  taken(
    "Connection that names the length does not unframe the body",
    post("abc", "Connection: Content-Length", "Content-Length: 3"),
    "RFC 9110 7.6.1",
    {
      method: "POST",
      body: "abc",
    },
  ),
  taken(
    "Connection: close",
    get(`/${ECHO}/`, "Connection: close"),
    "RFC 9112 9.6; Http11Probe COMP-CONNECTION-CLOSE",
    { method: "GET" },
    "closed",
  ),
  taken("close among other options", get(`/${ECHO}/`, "Connection: x, Close"), "RFC 9112 9.6", {
    method: "GET",
  }, "closed"),
  answered(
    "3,000 fields: none is dropped in silence",
    get(`/${ECHO}/`, ...many(3_000, "a:b"), "X-Last: 1"),
    "RFC 9110 5.4; Http11Probe MAL-MANY-HEADERS",
    [
      { method: "GET", status: 431 },
    ],
    "kept or closed",
  ),
  taken("200 fields", get(`/${ECHO}/`, ...many(200, "X-A: b"), "X-Last: 1"), "RFC 9110 5.4", {
    method: "GET",
    fields: { "x-a": many(200, "b"), "x-last": ["1"] },
  }),
  ...[
    ["a value", `X-A: ${"b".repeat(20_000)}`, "MAL-LONG-HEADER-VALUE"],
    ["a name", `${"b".repeat(20_000)}: a`, "MAL-LONG-HEADER-NAME"],
    ["fields together", many(200, `X-A: ${"b".repeat(90)}`).join("\r\n"), "MAL-MANY-HEADERS"],
  ].map(([what, octets, id]) =>
    answered(`${what} over 16 KiB`, field(octets!), `RFC 6585 5; Http11Probe ${id}`, [
      { method: "GET", status: 431 },
    ], "kept or closed")
  ),
  refused("a head over 64 KiB", field(`X-A: ${"b".repeat(70_000)}`), "RFC 6585 5", 431),
];

export const FIELDS: Chapter = {
  title: "Field lines",
  about: "A line that is no field line ends the connection; nothing is repaired or left out.",
  cases: [...NAMES, ...VALUES, ...LISTS],
};
