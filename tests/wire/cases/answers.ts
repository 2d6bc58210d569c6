/** Answers: RFC 9110 sections 8.6, 9.3.2 and 15, RFC 9112 sections 6.3 and 8. */
import { answered, type Chapter, CUT, ECHO, request } from "../case.ts";

const NEXT = request("GET", "/healthz");
const next = { method: "GET", status: 200 };
const asks = (method: string, path: string, ...fields: string[]) =>
  request(method, `/${ECHO}${path}`, fields) + NEXT;

export const ANSWERS: Chapter = {
  title: "Answers",
  about:
    "Each answer tells its own end, and one that a limit cuts off looks cut off to everybody: its " +
    "connection is reset, in HTTP/1.1 before the last chunk or the announced length.",
  cases: [
    answered(
      "HEAD has no body",
      asks("HEAD", "/"),
      "RFC 9110 9.3.2; Http11Probe COMP-HEAD-NO-BODY",
      [
        { method: "HEAD", status: 200, lacks: ["content-length: 0"], seen: {} },
        next,
      ],
      "kept",
    ),
    answered("HEAD of the provider's own page", request("HEAD", "/") + NEXT, "RFC 9110 9.3.2", [
      { method: "HEAD", status: 200, lacks: ["content-length: 0"] },
      next,
    ], "kept"),
    answered("HEAD that is refused", request("HEAD", "/nothing") + NEXT, "RFC 9110 9.3.2", [
      { method: "HEAD", status: 404, lacks: ["content-length: 0"] },
      next,
    ], "kept"),
    answered(
      "204 has no body and no length",
      asks("GET", "/204"),
      "RFC 9110 8.6, 15.3.5; Http11Probe COMP-NO-CL-IN-204",
      [
        {
          method: "GET",
          status: 204,
          seen: {},
          fields: { "content-length": [], "transfer-encoding": [] },
        },
        next,
      ],
      "kept",
    ),
    answered("304 has no body", asks("GET", "/304"), "RFC 9110 15.4.5", [
      {
        method: "GET",
        status: 304,
        seen: {},
        lacks: ["content-length: 0"],
        fields: { "transfer-encoding": [] },
      },
      next,
    ], "kept"),
    answered("HEAD answered with 204", asks("HEAD", "/204"), "RFC 9110 15.3.5", [
      { method: "HEAD", status: 204, seen: {} },
      next,
    ], "kept"),
    answered("an empty answer", asks("GET", "/empty"), "RFC 9112 6.3", [
      { method: "GET", status: 200, body: "", seen: {} },
      next,
    ], "kept"),
    answered(
      "an answer with a length of its program's, which is right",
      asks("GET", "/sized"),
      "RFC 9110 8.6",
      [
        { method: "GET", status: 200, body: "hello", seen: {} },
        next,
      ],
      "kept",
    ),
    answered(
      "an answer that is longer than its program says",
      asks("GET", "/longer"),
      "RFC 9110 8.6",
      [
        { method: "GET", status: 200, body: "hello", seen: {} },
        next,
      ],
      "kept",
    ),
    answered(
      "an answer that is shorter than its program says",
      asks("GET", "/shorter"),
      "RFC 9112 8",
      [
        { method: "GET", status: 502, seen: {} },
        next,
      ],
      "kept",
    ),
    answered(
      "an answer that is shorter than its program says, when some of it is out",
      asks("GET", "/broken"),
      "RFC 9112 8",
      [
        { method: "GET", status: 200, isCut: true, body: "hello", seen: {} },
      ],
      "reset",
    ),
    answered("HEAD of which the program tells the length", asks("HEAD", "/sized"), "RFC 9110 8.6", [
      { method: "HEAD", status: 200, seen: {}, fields: { "content-length": ["5"] } },
      next,
    ], "kept"),
    answered("an answer whose program tells a coding", asks("GET", "/coded"), "RFC 9112 6.1", [
      { method: "GET", status: 200, body: "hello", seen: {} },
      next,
    ], "kept"),
    answered(
      "an answer whose program speaks of the connection",
      asks("GET", "/hop"),
      "RFC 9110 7.6.1",
      [
        {
          method: "GET",
          status: 200,
          body: "hello",
          seen: {},
          fields: { upgrade: [] },
          lacks: ["connection: close"],
        },
        next,
      ],
      "kept",
    ),
    answered(
      "an answer to HTTP/1.0 has no chunks",
      `GET /${ECHO}/slow HTTP/1.0\r\n\r\n`,
      "RFC 9112 6.1",
      [
        { method: "GET", status: 200, seen: {}, fields: { "transfer-encoding": [] } },
      ],
      "closed",
    ),
    answered(
      "an answer that a limit cuts off, HTTP/1.1",
      request("GET", `/${CUT}/`),
      "RFC 9112 8",
      [
        { method: "GET", status: 200, isCut: true, body: "half\n", seen: {} },
      ],
      "reset",
    ),
    answered(
      "an answer that a limit cuts off, HTTP/1.0",
      `GET /${CUT}/ HTTP/1.0\r\n\r\n`,
      "RFC 9112 8",
      [
        { method: "GET", status: 200, isCut: true, body: "half\n", seen: {} },
      ],
      "reset",
    ),
    answered(
      "an answer that a limit cuts off, HTTP/1.0 that asks to be kept",
      `GET /${CUT}/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`,
      "RFC 9112 8",
      [
        { method: "GET", status: 200, isCut: true, body: "half\n", seen: {} },
      ],
      "reset",
    ),
  ],
};
