/** HTTP/2 requests, sound or malformed: RFC 9113 section 8. */
import { ECHO, PAID, SMUGGLED } from "../case.ts";
import {
  bare,
  bodied,
  type Http2Chapter,
  plus,
  POST,
  PSEUDO,
  pseudo,
  refused,
  taken,
} from "./case.ts";
import {
  block,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  HEADERS,
  PADDED,
} from "./frames.ts";

export const REQUESTS: Http2Chapter = {
  title: "HTTP/2: requests",
  about: "Over TLS, as ALPN says. A program sees the same request in either version.",
  cases: [
    taken("a GET", bare(PSEUDO), "h2spec generic/3.1", {
      method: "GET",
      target: `/${ECHO}/`,
      protocol: "HTTP/2.0",
      body: "",
    }),
    taken("a POST", bodied(POST, "abc"), "RFC 9113 8.1", { method: "POST", body: "abc" }),
    taken(
      "a POST with its length",
      bodied([...POST, ["content-length", "3"]], "abc"),
      "RFC 9113 8.1.1",
      {
        method: "POST",
        body: "abc",
      },
    ),
    taken(
      "a padded body",
      frame(HEADERS, END_HEADERS, 1, block(POST)) +
        frame(DATA, END_STREAM | PADDED, 1, "\x02abc\0\0"),
      "RFC 9113 6.1",
      {
        method: "POST",
        body: "abc",
      },
    ),
    taken(
      "a head in two frames",
      frame(HEADERS, END_STREAM, 1, block(PSEUDO)) +
        frame(CONTINUATION, END_HEADERS, 1, block([["x-a", "b"]])),
      "RFC 9113 6.10",
      {
        method: "GET",
        fields: { "x-a": ["b"] },
      },
    ),
    taken(
      "a body that looks like HTTP/1",
      bodied(POST, SMUGGLED),
      "PortSwigger http-request-smuggler",
      {
        method: "POST",
        body: SMUGGLED,
      },
    ),
    taken(
      "a target as it was sent",
      bare(pseudo({ ":path": `/${ECHO}/%2e%2e/a?x='%27` })),
      "RFC 9113 8.3.1",
      {
        method: "GET",
        target: `/${ECHO}/%2e%2e/a?x='%27`,
      },
    ),
    taken(
      "trailers that are dropped",
      frame(HEADERS, END_HEADERS, 1, block(POST)) + frame(DATA, 0, 1, "abc") +
        frame(HEADERS, END_HEADERS | END_STREAM, 1, block([["x-t", "y"]])),
      "RFC 9113 8.1",
      {
        method: "POST",
        body: "abc",
        fields: { "x-t": [] },
      },
    ),
    refused(
      "a body that has only begun, of a call that nobody pays",
      frame(HEADERS, END_HEADERS, 1, block(pseudo({ ":method": "POST", ":path": `/${PAID}/` }))) +
        frame(DATA, 0, 1, "abc"),
      "RFC 9113 8.1",
    ),
    taken("TE: trailers", bare(plus(["te", "trailers"])), "RFC 9113 8.2.2", {
      method: "GET",
      fields: { te: [] },
    }),
  ],
};

/** The program gets the request without the field, under no name that it could have made up. */
const NONE_OF_THEM = {
  method: "GET",
  fields: { x: [], "x-a": [], "x-c": [], "transfer-encoding": [] },
};

export const FIELDS: Http2Chapter = {
  title: "HTTP/2: fields",
  about:
    "What would be another request in HTTP/1 is none here: no field can frame, split or hide any.",
  cases: [
    refused(
      "a field name in capitals",
      bare(plus(["X-TEST", "ok"])),
      "RFC 9113 8.2.1; h2spec http2/8.1.2",
    ),
    taken(
      "a field name with a space, which is dropped",
      bare(plus(["x a", "ok"])),
      "RFC 9113 8.2.1",
      NONE_OF_THEM,
    ),
    taken(
      "a field name with a colon, which is dropped",
      bare(plus(["x-a: b\r\nx-c", "d"])),
      "PortSwigger http-request-smuggler h2name",
      NONE_OF_THEM,
    ),
    taken(
      "an empty field name, which is dropped",
      bare(plus(["", "ok"])),
      "http-garden bonus bug 2",
      NONE_OF_THEM,
    ),
    taken(
      "CR LF in a value, which is dropped",
      bare(plus(["x-a", "b\r\ntransfer-encoding: chunked"])),
      "RFC 9113 8.2.1; CVE-2021-33193",
      NONE_OF_THEM,
    ),
    taken(
      "LF in a value, which is dropped",
      bare(plus(["x-a", "b\nc"])),
      "RFC 9113 8.2.1",
      NONE_OF_THEM,
    ),
    taken(
      "NUL in a value, which is dropped",
      bare(plus(["x-a", "b\0c"])),
      "RFC 9113 8.2.1",
      NONE_OF_THEM,
    ),
    refused(
      "Transfer-Encoding (H2.TE)",
      bodied([...POST, ["transfer-encoding", "chunked"]], `0\r\n\r\n${SMUGGLED}`),
      "RFC 9113 8.2.2; h2spec http2/8.1.2.2",
    ),
    refused(
      "Connection",
      bare(plus(["connection", "keep-alive"])),
      "RFC 9113 8.2.2; h2spec http2/8.1.2.2",
    ),
    refused("Upgrade", bare(plus(["upgrade", "h2c"])), "RFC 9113 8.2.2"),
    refused(
      "TE with anything but trailers",
      bare(plus(["te", "trailers, deflate"])),
      "RFC 9113 8.2.2; h2spec http2/8.1.2.2",
    ),
    refused(
      "a length that is too small (H2.CL)",
      bodied([...POST, ["content-length", "0"]], SMUGGLED),
      "RFC 9113 8.1.1; h2spec http2/8.1.2.6",
    ),
    refused(
      "a length that is too large",
      bodied([...POST, ["content-length", "9"]], "abc"),
      "RFC 9113 8.1.1; h2spec http2/8.1.2.6",
    ),
    refused(
      "two lengths",
      bodied([...POST, ["content-length", "3"], ["content-length", "5"]], "abc"),
      "RFC 9110 8.6",
    ),
    refused(
      "a length that is no number",
      bodied([...POST, ["content-length", "+3"]], "abc"),
      "RFC 9110 8.6",
    ),
    refused(
      "Host that differs from :authority",
      bare(plus(["host", "other.example"])),
      "RFC 9113 8.3.1; PortSwigger http-request-smuggler h2auth",
    ),
  ],
};

export const PSEUDO_FIELDS: Http2Chapter = {
  title: "HTTP/2: pseudo-header fields",
  about: "Each once, before all others, and checked as a request line and Host are.",
  cases: [
    taken("a program's Host is :authority", bare(PSEUDO), "RFC 9113 8.3.1", { host: "localhost" }),
    refused(
      "no :method",
      bare(pseudo({ ":method": null })),
      "RFC 9113 8.3.1; h2spec http2/8.1.2.3",
    ),
    refused(
      "no :scheme",
      bare(pseudo({ ":scheme": null })),
      "RFC 9113 8.3.1; h2spec http2/8.1.2.3",
    ),
    refused("no :path", bare(pseudo({ ":path": null })), "RFC 9113 8.3.1; h2spec http2/8.1.2.3"),
    refused(
      "an empty :path",
      bare(pseudo({ ":path": "" })),
      "RFC 9113 8.3.1; h2spec http2/8.1.2.3",
    ),
    refused(
      ":method twice",
      bare([[":method", "GET"], ...PSEUDO]),
      "RFC 9113 8.3; h2spec http2/8.1.2.3",
    ),
    refused(
      ":path twice",
      bare([...PSEUDO, [":path", "/other"]]),
      "RFC 9113 8.3; h2spec http2/8.1.2.3",
    ),
    refused(
      ":status in a request",
      bare([...PSEUDO, [":status", "200"]]),
      "RFC 9113 8.3; h2spec http2/8.1.2.1",
    ),
    refused(
      "a pseudo-header field that nobody knows",
      bare([...PSEUDO, [":test", "ok"]]),
      "RFC 9113 8.3; h2spec http2/8.1.2.1",
    ),
    refused(
      "a pseudo-header field behind another field",
      bare([...PSEUDO.slice(0, 3), ["x-a", "b"], ...PSEUDO.slice(3)]),
      "RFC 9113 8.3; h2spec http2/8.1.2.1",
    ),
    refused(
      "a pseudo-header field in a trailer",
      frame(HEADERS, END_HEADERS, 1, block(POST)) +
        frame(HEADERS, END_HEADERS | END_STREAM, 1, block([[":method", "GET"]])),
      "RFC 9113 8.1; h2spec http2/8.1.2.1",
    ),
    refused(
      "a space in :path",
      bare(pseudo({ ":path": "/ HTTP/1.1\r\nHost: a\r\n\r\n" })),
      "RFC 9113 8.3.1; PortSwigger http-request-smuggler h2path",
    ),
    refused(
      "a space in :method",
      bare(pseudo({ ":method": "GET / HTTP/1.1" })),
      "PortSwigger http-request-smuggler h2method",
    ),
    refused(
      "a path in :authority",
      bare(pseudo({ ":authority": "localhost/x" })),
      "RFC 9113 8.3.1; PortSwigger http-request-smuggler h2auth",
    ),
    refused(
      "userinfo in :authority",
      bare(pseudo({ ":authority": "me@localhost" })),
      "RFC 9113 8.3.1",
    ),
    refused("no :authority and no Host", bare(pseudo({ ":authority": null })), "RFC 9113 8.3.1"),
    refused("a :path that is no path", bare(pseudo({ ":path": "x" })), "RFC 9113 8.3.1"),
    refused("a fragment in :path", bare(pseudo({ ":path": `/${ECHO}/#a` })), "RFC 9113 8.3.1"),
    refused("CONNECT", bare([[":method", "CONNECT"], [":authority", "a:80"]]), "RFC 9113 8.5"),
  ],
};
