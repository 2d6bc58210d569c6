/** Pipelines, bodies with any method, Expect, Upgrade, HTTP/1.0: RFC 9112 section 9. */
import { PIPELINED_REQUESTS_MAX } from "../../../lib/limits.ts";
import {
  ANSWER,
  answered,
  type Chapter,
  ECHO,
  get,
  PAID,
  post,
  refused,
  request,
  SMUGGLED,
  taken,
  type Verdict,
  type WireCase,
} from "../case.ts";

const NEXT = get(`/${ECHO}/next`);
const seenNext = { method: "GET", target: `/${ECHO}/next` };
const bodied = (method: string, body: string, ...fields: string[]) =>
  request(method, `/${ECHO}/`, [`Content-Length: ${body.length}`, ...fields]) + body;
const EXPECT = "Expect: 100-continue";
const INTERIM: Verdict = { method: "GET", status: 100 };

export const PIPELINES: Chapter = {
  title: "Pipelines",
  about:
    "Requests on one connection are answered in their order, and after one that is refused the " +
    "rest of the connection is nobody's request.",
  cases: [
    taken(
      "two requests in one piece",
      get() + NEXT,
      "RFC 9112 9.3.2; Http11Probe SMUG-PIPELINE-SAFE",
      [{ method: "GET" }, seenNext],
    ),
    taken(
      "three with bodies, cut anywhere",
      splitUp(bodied("POST", "one") + bodied("PUT", "two") + NEXT, 37),
      "RFC 9112 9.3.2",
      [
        { method: "POST", body: "one" },
        { method: "PUT", body: "two" },
        seenNext,
      ],
    ),
    taken(
      "as many as may be sent ahead",
      get().repeat(PIPELINED_REQUESTS_MAX + 1),
      "RFC 9112 9.3.2",
      Array.from({ length: PIPELINED_REQUESTS_MAX + 1 }, () => ({ method: "GET" })),
    ),
    taken("a slow one before a fast one", get(`/${ECHO}/slow`) + NEXT, "RFC 9112 9.3.2", [{
      method: "GET",
      target: `/${ECHO}/slow`,
    }, seenNext]),
    taken("an empty line between two", `${get()}\r\n${NEXT}`, "RFC 9112 2.2", [
      { method: "GET" },
      seenNext,
    ]),
    taken(
      "a body that looks like a request is a body",
      bodied("POST", SMUGGLED) + NEXT,
      "RFC 9112 9.3.2; Http11Probe SMUG-CL0-BODY-POISON",
      [{ method: "POST", body: SMUGGLED }, seenNext],
    ),
    answered("HEAD, then GET", request("HEAD", "/healthz") + NEXT, "RFC 9112 6.3", [
      { method: "HEAD", status: 200 },
      { method: "GET", status: 200, seen: seenNext },
    ], "kept"),
    refused(
      "a refused request, then a sound one",
      `GET /${ECHO}/ HTTP/1.1\r\nHost : a\r\n\r\n${SMUGGLED}`,
      "RFC 9112 9.3.2",
    ),
    answered(
      "a sound request, then a refused one",
      `${get()}GET /${ECHO}/ HTTP/1.1\r\nHost : a\r\n\r\n${SMUGGLED}`,
      "http-garden server bug 45",
      [
        { method: "GET", status: 200, seen: { method: "GET" } },
        { method: "GET", status: 400, isOptional: true },
      ],
      "closed",
    ),
    taken(
      "what follows Connection: close",
      get(`/${ECHO}/`, "Connection: close") + SMUGGLED,
      "RFC 9112 9.6",
      { method: "GET" },
      "closed",
    ),
    answered("octets that are no request", `${get()}\x00\x01\x02`, "http-garden bonus bug 3", [
      { method: "GET", status: 200, seen: { method: "GET" } },
      { method: "GET", status: 400, isOptional: true },
    ], "closed"),
  ],
};

export const METHODS: Chapter = {
  title: "Bodies with any method",
  about:
    "A body is a body whatever the method: it reaches the program and is never a next request.",
  cases: [
    ...["GET", "DELETE", "OPTIONS", "PATCH", "PUT", "TRACE"].map((method) =>
      taken(
        `${method} with a body`,
        bodied(method, SMUGGLED) + NEXT,
        "RFC 9110 9.3; http-garden transducer bug 21",
        [
          { method, body: SMUGGLED },
          seenNext,
        ],
      )
    ),
    taken(
      "GET with a chunked body",
      get(`/${ECHO}/`, "Transfer-Encoding: chunked") + `3\r\nabc\r\n0\r\n\r\n${NEXT}`,
      "RFC 9110 9.3.1",
      [
        { method: "GET", body: "abc" },
        seenNext,
      ],
    ),
    answered("HEAD with a body", bodied("HEAD", SMUGGLED) + NEXT, "Http11Probe SMUG-HEAD-CL-BODY", [
      { method: "HEAD", status: 200, seen: {} },
      { method: "GET", status: 200, seen: seenNext },
    ], "kept"),
    answered(
      "GET whose body is the beginning of a request",
      [bodied("GET", "GET /healthz HTTP/1.1"), "\r\nHost: a\r\n\r\n"],
      "Http11Probe SMUG-GET-CL-PREFIX-DESYNC",
      [
        { method: "GET", status: 200, seen: { method: "GET", body: "GET /healthz HTTP/1.1" } },
        { method: "GET", status: 400, isOptional: true },
      ],
      "closed",
    ),
  ],
};

const KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";
const HANDSHAKE = [
  "Connection: keep-alive, Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  KEY,
];

/** Refused with what a client may try instead. */
function refusedShake(name: string, sends: string): WireCase {
  const fields = { "sec-websocket-version": ["13"] };
  const answers = [{ method: "GET", status: 400, fields }];
  return answered(name, sends, "RFC 6455 4.2.1, 4.4", answers, "closed");
}

export const EXPECTATIONS: Chapter = {
  title: "Expect and Upgrade",
  about:
    "`100 Continue` is said once the call is accepted and paid for. A WebSocket is opened to " +
    "programs with the interface `http`; HTTP/2 in cleartext is not offered, and any other " +
    "upgrade is refused by name. The provider's own pages are answered as if nothing but the page " +
    "had been asked for.",
  cases: [
    answered(
      "100 Continue before the body",
      [post("", "Content-Length: 3", EXPECT), ANSWER, "abc"],
      "RFC 9110 10.1.1; Http11Probe SMUG-EXPECT-100-CL",
      [
        INTERIM,
        { method: "POST", status: 200, seen: { method: "POST", body: "abc" } },
      ],
      "kept",
    ),
    answered(
      "no 100 Continue for a call that nobody pays",
      request("POST", `/${PAID}/`, ["Content-Length: 3", EXPECT]),
      "RFC 9110 10.1.1",
      [
        { method: "POST", status: 402 },
      ],
      "closed",
    ),
    answered(
      "no 100 Continue for what is not there",
      request("POST", "/nothing", ["Content-Length: 3", EXPECT]),
      "RFC 9110 10.1.1",
      [
        { method: "POST", status: 404 },
      ],
      "closed",
    ),
    answered(
      "no 100 Continue for a body over the limit",
      request("POST", `/${ECHO}/`, ["Content-Length: 99999999", EXPECT]),
      "RFC 9110 10.1.1",
      [
        { method: "POST", status: 413 },
      ],
      "closed",
    ),
    taken(
      "no 100 Continue for HTTP/1.0",
      `POST /${ECHO}/ HTTP/1.0\r\nContent-Length: 3\r\n${EXPECT}\r\n\r\nabc`,
      "RFC 9110 10.1.1; Http11Probe COMP-NO-1XX-HTTP10",
      { method: "POST", body: "abc" },
      "closed",
    ),
    answered(
      "a body that does not wait for 100 Continue, and a request after it",
      [post("", "Content-Length: 3", EXPECT), ANSWER, `abc${NEXT}`],
      "Http11Probe SMUG-EXPECT-100-CL-DESYNC",
      [
        INTERIM,
        { method: "POST", status: 200, seen: { method: "POST", body: "abc" } },
        { method: "GET", status: 200, seen: seenNext },
      ],
      "kept",
    ),
    answered(
      "an expectation that nobody knows",
      post("abc", "Content-Length: 3", "Expect: 200-ok"),
      "RFC 9110 10.1.1; Http11Probe COMP-EXPECT-UNKNOWN",
      [
        { method: "POST", status: 417 },
      ],
      "kept or closed",
    ),
    refused(
      "a WebSocket's handshake to a program that is no server, and what could be a request after it",
      get(`/${ECHO}/`, ...HANDSHAKE) + NEXT,
      "RFC 6455 4.2.2",
      501,
    ),
    ...[
      ["without a key", HANDSHAKE.slice(0, 3)],
      ["with a key that is none", [...HANDSHAKE.slice(0, 3), "Sec-WebSocket-Key: a"]],
      ["with two keys", [...HANDSHAKE, KEY]],
      ["of another version", [...HANDSHAKE.slice(0, 2), "Sec-WebSocket-Version: 12", KEY]],
    ].map(([what, fields]) =>
      refusedShake(`a WebSocket's handshake ${what}`, get(`/${ECHO}/`, ...fields!))
    ),
    refusedShake(
      "a WebSocket's handshake with a body",
      bodied("GET", SMUGGLED, ...HANDSHAKE),
    ),
    refusedShake(
      "a WebSocket's handshake by POST",
      bodied("POST", SMUGGLED, ...HANDSHAKE),
    ),
    refusedShake(
      "a WebSocket's handshake in HTTP/1.0",
      get(`/${ECHO}/`, ...HANDSHAKE).replace("HTTP/1.1", "HTTP/1.0"),
    ),
    refused(
      "Upgrade: nonsense is refused by name",
      get(`/${ECHO}/`, "Connection: Upgrade", "Upgrade: nonsense"),
      "RFC 9110 7.8; Http11Probe COMP-UPGRADE-UNKNOWN",
      501,
    ),
    taken(
      "Upgrade: nonsense in HTTP/1.0, which cannot ask for it",
      `GET /${ECHO}/ HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: nonsense\r\n\r\n`,
      "RFC 9110 7.8",
      { method: "GET", fields: { upgrade: [], connection: [] } },
      "closed",
    ),
    taken(
      "Upgrade that Connection does not name, which is nobody's",
      get(`/${ECHO}/`, "Upgrade: websocket"),
      "RFC 9110 7.8",
      { method: "GET", fields: { upgrade: [] } },
      "kept or closed",
    ),
    taken(
      "Upgrade: h2c is not taken up",
      get(`/${ECHO}/`, "Connection: Upgrade", "Upgrade: h2c"),
      "RFC 9110 7.8; Http11Probe COMP-UPGRADE-UNKNOWN",
      { method: "GET", fields: { upgrade: [], connection: [] } },
      "kept or closed",
    ),
    answered(
      "Upgrade: h2c, and a request after it, which is answered or not read at all",
      get(`/${ECHO}/`, "Connection: Upgrade", "Upgrade: h2c") + NEXT,
      "RFC 9110 7.8",
      [
        { method: "GET", status: 200, seen: { method: "GET" } },
        { method: "GET", status: 200, seen: seenNext, isOptional: true },
      ],
      "kept or closed",
    ),
    taken(
      "Upgrade: h2c with a body",
      bodied("POST", SMUGGLED, "Connection: Upgrade", "Upgrade: h2c"),
      "RFC 9110 7.8; Http11Probe COMP-UPGRADE-POST",
      { method: "POST", body: SMUGGLED },
      "kept or closed",
    ),
  ],
};

export const ONE_ZERO: Chapter = {
  title: "HTTP/1.0",
  about: "One request a connection unless it asks for more; no chunks and no interim answers.",
  cases: [
    taken(
      "HTTP/1.0 closes",
      `GET /${ECHO}/ HTTP/1.0\r\n\r\n${SMUGGLED}`,
      "RFC 9112 9.3; Http11Probe COMP-HTTP10-DEFAULT-CLOSE",
      { method: "GET", protocol: "HTTP/1.0" },
      "closed",
    ),
    taken(
      "HTTP/1.0 with a body",
      `POST /${ECHO}/ HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc`,
      "RFC 9112 6.3",
      { method: "POST", body: "abc", protocol: "HTTP/1.0" },
      "closed",
    ),
    taken(
      "HTTP/1.0 that asks to be kept",
      `GET /${ECHO}/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`,
      "RFC 9112 C.2.2",
      { method: "GET" },
      "kept or closed",
    ),
    taken("HTTP/1.1 is told as such", get(), "RFC 3875 4.1.16", {
      method: "GET",
      protocol: "HTTP/1.1",
    }),
  ],
};

function splitUp(octets: string, size: number): string[] {
  return octets.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
}
