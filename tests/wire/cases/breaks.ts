/** Requests that break off: RFC 9112 section 8. */
import {
  ANSWER,
  answered,
  brokenOff,
  type Chapter,
  ECHO,
  END,
  get,
  post,
  request,
  SMUGGLED,
  spoiled,
} from "../case.ts";

const CHUNKED = "Transfer-Encoding: chunked";

export const BREAKS: Chapter = {
  title: "Requests that break off",
  about:
    "A part is never taken for the whole. The run of a body that breaks off is ended and costs its " +
    "credit, as if its caller had hung up; whoever still listens gets a 400. What is no body in " +
    "the bytes that came with its head costs nothing, as no run had begun.",
  cases: [
    brokenOff(
      "half a request line",
      [`GET /${ECHO}/ HT`],
      "RFC 9112 8; Http11Probe MAL-INCOMPLETE-REQUEST",
    ),
    brokenOff("half a head", [`GET /${ECHO}/ HTTP/1.1\r\nHost: a\r\n`], "RFC 9112 8"),
    answered("a connection without an octet", [END], "Http11Probe MAL-EMPTY-REQUEST", [], "closed"),
    brokenOff("empty lines alone", "\r\n\r\n", "RFC 9112 2.2"),
    brokenOff(
      "50 of 100 octets",
      post("x".repeat(50), "Content-Length: 100"),
      "RFC 9112 8; Http11Probe COMP-POST-CL-UNDERSEND",
    ),
    brokenOff("0 of 100 octets", post("", "Content-Length: 100"), "RFC 9112 8"),
    brokenOff(
      "99 of 100 octets, one by one",
      [...post("x".repeat(99), "Content-Length: 100")],
      "RFC 9112 8",
    ),
    brokenOff(
      "no last chunk",
      post("3\r\nabc\r\n", CHUNKED),
      "RFC 9112 8; Http11Probe COMP-CHUNKED-NO-FINAL",
    ),
    brokenOff("half a chunk", post("3\r\nab", CHUNKED), "RFC 9112 8"),
    brokenOff("half a chunk's size", post("3\r\nabc\r\n1", CHUNKED), "RFC 9112 8"),
    brokenOff("a chunk without its line end", post("3\r\nabc", CHUNKED), "RFC 9112 8"),
    brokenOff(
      "a last chunk without the end of the body",
      post("3\r\nabc\r\n0\r\n", CHUNKED),
      "RFC 9112 8",
    ),
    brokenOff("half a trailer", post("3\r\nabc\r\n0\r\nX-A: b", CHUNKED), "RFC 9112 8"),
    spoiled("a second chunk that is none", [
      post("3\r\nabc\r\n", CHUNKED),
      "zz\r\nhello\r\n0\r\n\r\n",
    ], "RFC 9112 7.1"),
    brokenOff(
      "a GET's body that breaks off",
      [get(`/${ECHO}/`, "Content-Length: 100") + "abc"],
      "RFC 9112 8",
    ),
    {
      ...answered(
        "a sound request, then half of one",
        [get(), ANSWER, post("abc", "Content-Length: 9"), END],
        "RFC 9112 8",
        [
          { method: "GET", status: 200, seen: { method: "GET" } },
          { method: "POST", status: 400, isOptional: true },
        ],
        "closed",
      ),
      mayHaveRun: true,
    },
  ],
};

export const EARLY: Chapter = {
  title: "Answers before the body is read",
  about:
    "A program may answer without reading. What it left unread is never the next request, and " +
    "a body that does not come keeps no connection.",
  cases: [
    answered(
      "an answer to a body that nobody read",
      [request("POST", `/${ECHO}/early`, [`Content-Length: ${SMUGGLED.length}`]) + SMUGGLED],
      "RFC 9112 9.3",
      [
        { method: "POST", status: 200, body: "early\n", seen: {} },
      ],
      "kept or closed",
    ),
    answered(
      "an answer to a chunked body that nobody read",
      [
        request("POST", `/${ECHO}/early`, [CHUNKED]) +
        `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
      ],
      "RFC 9112 9.3",
      [
        { method: "POST", status: 200, body: "early\n", seen: {} },
      ],
      "kept or closed",
    ),
    answered(
      "an answer while the body is still to come",
      request("POST", `/${ECHO}/early`, ["Content-Length: 100"]),
      "RFC 9112 9.6",
      [
        { method: "POST", status: 200, body: "early\n", seen: {} },
      ],
      "closed",
    ),
    answered(
      "an answer in parts while the body is still to come",
      request("POST", `/${ECHO}/parts`, ["Content-Length: 100"]),
      "RFC 9112 9.6",
      [
        { method: "POST", status: 200, body: "early\nlate\n", seen: {} },
      ],
      "closed",
    ),
    answered(
      "an answer in parts to HTTP/1.0 while the body is still to come",
      `POST /${ECHO}/parts HTTP/1.0\r\nContent-Length: 100\r\n\r\n`,
      "RFC 9112 6.3",
      [
        { method: "POST", status: 200, body: "early\nlate\n", seen: {} },
      ],
      "closed",
    ),
    answered(
      "a request in place of the rest of a body",
      [request("POST", `/${ECHO}/early`, [`Content-Length: ${SMUGGLED.length}`]), ANSWER, SMUGGLED],
      "PortSwigger http-request-smuggler CL-expect",
      [
        { method: "POST", status: 200, body: "early\n", seen: {} },
      ],
      "kept or closed",
    ),
    answered(
      "a refusal while the body is still to come",
      request("POST", "/nothing", ["Content-Length: 100"]),
      "RFC 9112 9.6",
      [
        { method: "POST", status: 404 },
      ],
      "closed",
    ),
    answered(
      "a refusal to a body that came with its head",
      request("POST", "/nothing", [`Content-Length: ${SMUGGLED.length}`]) + SMUGGLED,
      "RFC 9112 9.3",
      [
        { method: "POST", status: 404 },
      ],
      "kept or closed",
    ),
  ],
};
