/** Every method with every kind of body, and with every kind of answer. */
import { apart, type Chapter, everywhere, type Outcome, request, type Row } from "../row.ts";

/** Those of RFC 9110 and 5789, and one of a protocol of its own, RFC 4918. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] as const;
type Method = typeof METHODS[number];

const SOURCE = "RFC 9110 9; RFC 9112 6";

function withoutBody(method: Method): Row {
  return {
    name: `${method} without a body`,
    sends: [request(method, "/tell?a=1")],
    source: SOURCE,
    outcomes: everywhere({
      says: "taken",
      status: 200,
      told: { method, target: "/tell?a=1", body: "", coding: null },
    }),
  };
}

function withLength(method: Method): Row {
  return {
    name: `${method} with a body of known length`,
    sends: [request(method, "/tell", "Content-Length: 5") + "hello"],
    source: SOURCE,
    outcomes: everywhere({
      says: "the body, with its length",
      status: 200,
      told: { method, body: "hello", length: "5", coding: null },
    }),
  };
}

/** In chunks the length is known at the end only, and CGI wants it before. */
function inChunks(method: Method): Row {
  const head = request(method, "/tell", "Transfer-Encoding: chunked");
  const told = { method, body: "hello" };
  return {
    name: `${method} with a body in chunks`,
    sends: [`${head}2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n`],
    source: SOURCE,
    outcomes: {
      curl: { says: "the body", status: 200, told: { ...told, length: null } },
      cgi: { says: "the body, with its length", status: 200, told: { ...told, length: "5" } },
      http: {
        says: "the body, in chunks",
        status: 200,
        told: { ...told, length: null, coding: "chunked" },
      },
    },
  };
}

export const REQUESTS: Chapter = {
  title: "Methods and request bodies",
  about:
    "Any registered method reaches the program, with a body or without; browsers' preflights " +
    "are answered by the provider, as the spec's [`cors`](protocol.md#web-browsers) says.",
  rows: [
    ...METHODS.flatMap((method) => [withoutBody(method), withLength(method), inChunks(method)]),
    {
      name: "TRACE",
      sends: [request("TRACE", "/tell")],
      source: "RFC 9110 9.3.8",
      outcomes: everywhere({ says: "taken", status: 200, told: { method: "TRACE" } }),
    },
    {
      name: "a preflight",
      sends: [request(
        "OPTIONS",
        "/tell",
        "Origin: https://a.example",
        "Access-Control-Request-Method: PUT",
      )],
      source: "Fetch 4.8",
      outcomes: everywhere({ says: "204 by the provider", status: 204, isFree: true }),
    },
    {
      name: "a method that nobody has registered",
      sends: [request("BREW", "/tell")],
      source: "RFC 9110 16.1",
      outcomes: everywhere({ says: "400", status: 400, isFree: true }),
    },
  ],
};

/** An answer to HEAD says what the one to GET would have said, and has no body. */
function bodiless(method: Method, outcome: Outcome, length: string | null = null): Outcome {
  if (method !== "HEAD") return outcome;
  const says = length === null ? "no body" : "no body, its length";
  return { says, status: 200, body: "", framing: "none", fields: { "content-length": length } };
}

/** A program that has ended before its answer began has told the length of it by that. */
function byAndBy(method: Method, outcome: Outcome): Row["outcomes"] {
  return apart(bodiless(method, outcome), bodiless(method, { ...outcome, framing: "chunked" }));
}

function whole(method: Method): Row {
  const sized: Outcome = { says: "with its length", status: 200, body: "whole\n" };
  return {
    name: `${method}, answered with a body of known length`,
    sends: [request(method, "/whole")],
    source: SOURCE,
    outcomes: apart(
      bodiless(method, { ...sized, says: "whole" }, "6"),
      bodiless(method, { ...sized, framing: "length" }, "6"),
    ),
  };
}

function streamed(method: Method): Row {
  const body = "one\ntwo\nthree\n";
  return {
    name: `${method}, answered by and by`,
    sends: [request(method, "/streamed")],
    source: SOURCE,
    outcomes: byAndBy(method, { says: "in chunks", status: 200, body }),
  };
}

function events(method: Method): Row {
  const outcome: Outcome = {
    says: "the events",
    status: 200,
    body: "id: 1\ndata: one\n\nid: 2\ndata: two\n\n",
    fields: { "content-type": "text/event-stream" },
  };
  return {
    name: `${method}, answered with server-sent events`,
    sends: [request(method, "/events")],
    source: "HTML 9.2",
    outcomes: byAndBy(method, outcome),
  };
}

export const ANSWERS: Chapter = {
  title: "Methods and answers",
  about: "Any method may be answered with any kind of body.",
  rows: METHODS.flatMap((method) => [whole(method), streamed(method), events(method)]),
};
