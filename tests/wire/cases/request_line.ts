/** Request lines: RFC 9112 section 3. */
import {
  answered,
  type Chapter,
  CUT,
  ECHO,
  get,
  refused,
  request,
  taken,
  WEB_HOST,
} from "../case.ts";

const line = (octets: string) => `${octets}\r\nHost: a\r\n\r\n`;
const to = (target: string) => get(`/${ECHO}${target}`);
const seen = (target: string) => ({ method: "GET", target: `/${ECHO}${target}` });

const FORMS = [
  taken("a plain GET", get(), "RFC 9112 3", { method: "GET", target: `/${ECHO}/`, body: "" }),
  taken("an empty line before the request line", `\r\n${get()}`, "RFC 9112 2.2", seen("/")),
  taken(
    "a request line with two spaces, which means what it would with one",
    line(`GET  /${ECHO}/ HTTP/1.1`),
    "RFC 9112 3; Http11Probe RFC9112-3-MULTI-SP-REQUEST-LINE",
    seen("/"),
  ),
  refused(
    "a tab between method and target",
    line(`GET\t/${ECHO}/ HTTP/1.1`),
    "RFC 9112 3; Http11Probe COMP-REQUEST-LINE-TAB",
  ),
  refused("a space after the version", line(`GET /${ECHO}/ HTTP/1.1 `), "RFC 9112 3"),
  refused("a space before the method", line(` GET /${ECHO}/ HTTP/1.1`), "RFC 9112 3"),
  refused(
    "a line feed between method and target",
    line(`GET /${ECHO}/\nHTTP/1.1`),
    "http-garden server bug 9",
  ),
  refused(
    "a request line that a bare LF ends",
    `GET /${ECHO}/ HTTP/1.1\nHost: a\r\n\r\n`,
    "RFC 9112 2.2; Http11Probe RFC9112-2.2-BARE-LF-REQUEST-LINE",
  ),
  refused(
    "a head with bare LF throughout",
    `GET /${ECHO}/ HTTP/1.1\nHost: a\n\n`,
    "RFC 9112 2.2; http-garden transducer bug 16",
  ),
  refused(
    "a head with bare CR throughout",
    `GET /${ECHO}/ HTTP/1.1\rHost: a\r\r`,
    "RFC 9112 2.2; Http11Probe RFC9112-3-CR-ONLY-LINE-ENDING",
  ),
  refused("no target", line("GET HTTP/1.1"), "RFC 9112 3; Http11Probe RFC9112-3-MISSING-TARGET"),
  refused(
    "a TLS greeting on a cleartext port",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "Http11Probe MAL-BINARY-GARBAGE",
  ),
];

const VERSIONS = [
  refused(
    "HTTP/0.9",
    `GET /${ECHO}/\r\n\r\n`,
    "RFC 9112 2.3; Http11Probe RFC9112-2.3-HTTP09-REQUEST",
  ),
  refused(
    "HTTP/1.2",
    line(`GET /${ECHO}/ HTTP/1.2`),
    "RFC 9112 2.3; Http11Probe COMP-HTTP12-VERSION",
  ),
  refused("HTTP/1.32", line(`GET /${ECHO}/ HTTP/1.32`), "http-garden server bug 5"),
  refused("HTTP/01.1", line(`GET /${ECHO}/ HTTP/01.1`), "Http11Probe COMP-VERSION-LEADING-ZEROS"),
  refused("HTTP/1", line(`GET /${ECHO}/ HTTP/1`), "Http11Probe COMP-VERSION-MISSING-MINOR"),
  refused("HTTP/ 1.1", line(`GET /${ECHO}/ HTTP/ 1.1`), "Http11Probe COMP-VERSION-WHITESPACE"),
  refused("http/1.1", line(`GET /${ECHO}/ http/1.1`), "Http11Probe COMP-VERSION-CASE"),
  refused(
    "HTTP/4294967295.255",
    line(`GET /${ECHO}/ HTTP/4294967295.255`),
    "http-garden server bug 24",
  ),
  refused("HTTP/2.0 in a request line", line(`GET /${ECHO}/ HTTP/2.0`), "RFC 9112 2.3"),
  refused(
    "the preface of HTTP/2 without TLS",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "RFC 9113 3.4; Http11Probe MAL-H2-PREFACE",
  ),
];

const METHODS = [
  refused("a method in lower case", line(`get /${ECHO}/ HTTP/1.1`), "RFC 9110 9.1"),
  refused("a method that nobody knows", line(`CHEESE /${ECHO}/ HTTP/1.1`), "RFC 9110 9.1"),
  refused(
    "a method with what no token has",
    line(`G=":<>(e),[T];?" /${ECHO}/ HTTP/1.1`),
    "http-garden server bug 6",
  ),
  refused("a method of NUL", line(`\0 /${ECHO}/ HTTP/1.1`), "http-garden server bug 40"),
  ...["PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PURGE"].map((method) =>
    taken(`${method} without a body`, request(method, `/${ECHO}/`), "RFC 9110 9", {
      method,
      target: `/${ECHO}/`,
      body: "",
    })
  ),
  answered("OPTIONS *", request("OPTIONS", "*"), "RFC 9110 9.3.7", [
    { method: "OPTIONS", status: [200, 204] },
  ], "kept"),
  refused(
    "CONNECT",
    "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    "RFC 9110 9.3.6; Http11Probe COMP-METHOD-CONNECT",
    [400, 405, 501],
  ),
  refused(
    "CONNECT, and after it what could be a request",
    `CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n${get()}`,
    "RFC 9110 9.3.6",
    [400, 405, 501],
  ),
];

const TARGETS = [
  ...[
    ["quotes", "/a?x='\"%27"],
    ["a backslash", "/a\\b"],
    ["a percent sign that encodes nothing", "/100%"],
    ["an encoded line end", "/a%0d%0aX:%20y"],
    ["dot segments", "/../metrics"],
    ["encoded dot segments", "/%2e%2e/metrics"],
    ["double slashes", "//a//b"],
    ["an empty query", "/a?"],
    ["a query with question marks", "/a?b?c=?"],
    ["brackets and bars", "/[a]{b}|^`"],
    ["nothing after the cid", ""],
  ].map(([what, target]) =>
    taken(`a target with ${what}, as sent`, to(target!), "RFC 9112 3.2", seen(target!))
  ),
  answered(
    "an encoded NUL, which no variable of a program's can hold",
    to("/%00"),
    "RFC 3875 4.1.5; Http11Probe MAL-URL-PERCENT-NULL",
    [{ method: "GET", status: 400 }],
    "kept or closed",
  ),
  refused(
    "a fragment in the target",
    to("/a#b"),
    "RFC 9112 3.2; Http11Probe RFC9112-3.2-FRAGMENT-IN-TARGET",
  ),
  refused("a space in the target", to("/a b"), "RFC 9112 3.2; Http11Probe COMP-SPACE-IN-TARGET"),
  refused("a tab in the target", to("/a\tb"), "RFC 9112 3.2"),
  refused("NUL in the target", to("/a\0b"), "Http11Probe MAL-NUL-IN-URL"),
  refused("a control character in the target", to("/a\x01b"), "RFC 3986 2"),
  refused("DEL in the target", to("/a\x7fb"), "RFC 3986 2"),
  refused(
    "an octet beyond ASCII in the target",
    to("/caf\xe9"),
    "RFC 3986 2; Http11Probe MAL-NON-ASCII-URL",
  ),
  refused("overlong UTF-8 in the target", to("/\xc0\xaf"), "Http11Probe MAL-URL-OVERLONG-UTF8"),
  refused("authority-form without CONNECT", line("GET a:80 HTTP/1.1"), "RFC 9112 3.2.3"),
  refused(
    "asterisk-form without OPTIONS",
    line("GET * HTTP/1.1"),
    "RFC 9112 3.2.4; Http11Probe COMP-ASTERISK-WITH-GET",
  ),
  refused("a target of one word", line("GET ! HTTP/1.1"), "http-garden server bug 7"),
  answered(
    "a target over 8 KiB",
    get(`/${ECHO}/${"a".repeat(9_000)}`),
    "RFC 9112 3; Http11Probe MAL-LONG-URL",
    [
      { method: "GET", status: [414, 431] },
    ],
    "kept or closed",
  ),
  taken(
    "a target of 7 KiB",
    to(`/${"a".repeat(7_000)}`),
    "RFC 9112 3; Http11Probe COMP-LONG-URL-OK",
    seen(`/${"a".repeat(7_000)}`),
  ),
];

const ABSOLUTE = [
  taken(
    "an absolute target's host, whatever Host says",
    `GET http://${ECHO}.${WEB_HOST}/abs?q HTTP/1.1\r\nHost: ${CUT}.${WEB_HOST}\r\n\r\n`,
    "RFC 9112 3.2.2; Http11Probe SMUG-ABSOLUTE-URI-HOST-MISMATCH",
    { method: "GET", target: "/abs?q" },
  ),
  taken(
    "an absolute target without a path",
    `GET http://${ECHO}.${WEB_HOST} HTTP/1.1\r\nHost: ${ECHO}.${WEB_HOST}\r\n\r\n`,
    "RFC 9112 3.2.1",
    { method: "GET", target: "/" },
  ),
  taken(
    "an absolute target in path form",
    line(`GET http://a/${ECHO}/%2e%2e/x HTTP/1.1`),
    "RFC 9112 3.2.2; Http11Probe COMP-ABSOLUTE-FORM",
    { ...seen("/%2e%2e/x"), host: "a" },
  ),
  refused(
    "an absolute target with userinfo",
    line(`GET http://me@a/${ECHO}/ HTTP/1.1`),
    "RFC 9110 4.2.4",
  ),
  refused(
    "an absolute target without a host",
    line(`GET http:///${ECHO}/ HTTP/1.1`),
    "RFC 9110 4.2.1",
  ),
  refused(
    "an absolute target of another scheme",
    line(`GET ftp://a/${ECHO}/ HTTP/1.1`),
    "RFC 9110 7.1",
    [400, 421],
  ),
];

export const REQUEST_LINE: Chapter = {
  title: "Request lines and targets",
  about: "A program gets method and target as they were sent: nothing is decoded or normalised.",
  cases: [...FORMS, ...VERSIONS, ...METHODS, ...TARGETS, ...ABSOLUTE],
};
