/** HTTP/2 frames, sound or malformed: RFC 9113 sections 3 to 6. */
import { bare, ended, type Http2Chapter, POST, PSEUDO, refused, taken } from "./case.ts";
import {
  ACK,
  block,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  HEADERS,
  number,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "./frames.ts";

const open = frame(HEADERS, END_HEADERS, 1, block(POST));
export const FRAMES: Http2Chapter = {
  title: "HTTP/2: frames",
  about: "An error of the connection ends it; what nobody knows is ignored.",
  cases: [
    ended(
      "a frame over the size limit",
      open + frame(DATA, END_STREAM, 1, "x".repeat(16_385)),
      "RFC 9113 4.2; h2spec http2/4.2",
    ),
    ended(
      "a header block that cannot be read",
      frame(HEADERS, END_HEADERS | END_STREAM, 1, "\x82\x84\xff\xff\xff\xff\xff\xff"),
      "RFC 9113 4.3; h2spec http2/4.3",
    ),
    ended(
      "a frame between a head and its end",
      frame(HEADERS, END_STREAM, 1, block(PSEUDO)) + frame(DATA, 0, 1, "x"),
      "RFC 9113 6.10; h2spec http2/6.10",
    ),
    ended("DATA on stream 0", frame(DATA, END_STREAM, 0, "x"), "RFC 9113 6.1; h2spec http2/6.1"),
    ended(
      "DATA on a stream that is not open",
      frame(DATA, END_STREAM, 1, "x"),
      "RFC 9113 5.1; h2spec http2/5.1",
    ),
    ended(
      "padding as long as the frame",
      open + frame(DATA, END_STREAM | PADDED, 1, "\x09abc"),
      "RFC 9113 6.1; h2spec http2/6.1",
    ),
    ended(
      "HEADERS on stream 0",
      frame(HEADERS, END_HEADERS | END_STREAM, 0, block(PSEUDO)),
      "RFC 9113 6.2; h2spec http2/6.2",
    ),
    ended(
      "a stream with an even number",
      frame(HEADERS, END_HEADERS | END_STREAM, 2, block(PSEUDO)),
      "RFC 9113 5.1.1; h2spec http2/5.1.1",
    ),
    ended(
      "RST_STREAM on stream 0",
      frame(RST_STREAM, 0, 0, number(8, 4)),
      "RFC 9113 6.4; h2spec http2/6.4",
    ),
    ended(
      "RST_STREAM on an idle stream",
      frame(RST_STREAM, 0, 1, number(8, 4)),
      "RFC 9113 6.4; h2spec http2/6.4",
    ),
    ended(
      "SETTINGS with an odd length",
      frame(SETTINGS, 0, 0, "abc"),
      "RFC 9113 6.5; h2spec http2/6.5",
    ),
    ended("SETTINGS on a stream", frame(SETTINGS, 0, 1, ""), "RFC 9113 6.5; h2spec http2/6.5"),
    ended(
      "an acknowledgement with content",
      frame(SETTINGS, ACK, 0, number(0, 6)),
      "RFC 9113 6.5; h2spec http2/6.5",
    ),
    ended(
      "a window beyond 31 bits",
      frame(SETTINGS, 0, 0, number(4, 2) + number(2 ** 31, 4)),
      "RFC 9113 6.5.2; h2spec http2/6.5.2",
    ),
    ended(
      "PUSH_PROMISE from a client",
      frame(PUSH_PROMISE, END_HEADERS, 1, number(2, 4)),
      "RFC 9113 8.4; h2spec http2/8.2",
    ),
    ended("PING with a wrong length", frame(PING, 0, 0, "abc"), "RFC 9113 6.7; h2spec http2/6.7"),
    ended(
      "WINDOW_UPDATE of 0",
      frame(WINDOW_UPDATE, 0, 0, number(0, 4)),
      "RFC 9113 6.9; h2spec http2/6.9",
    ),
    ended(
      "a window that overflows",
      frame(WINDOW_UPDATE, 0, 0, number(2 ** 31 - 1, 4)).repeat(2),
      "RFC 9113 6.9.1; h2spec http2/6.9.1",
    ),
    ended(
      "CONTINUATION without a head",
      frame(CONTINUATION, END_HEADERS, 1, block(PSEUDO)),
      "RFC 9113 6.10; h2spec http2/6.10",
    ),
    refused(
      "a head of endless CONTINUATION",
      frame(HEADERS, END_STREAM, 1, block(PSEUDO)) +
        frame(CONTINUATION, 0, 1, block([["x", "y".repeat(16_000)]])).repeat(64),
      "CVE-2024-27983; CVE-2023-44487",
    ),
    {
      ...ended(
        "a preface that is none",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "RFC 9113 3.4; h2spec http2/3.5",
      ),
      isGreeting: true,
    },
    {
      name: "a frame of a type that nobody knows",
      sends: frame(0xff, 0, 0, "abc"),
      source: "RFC 9113 5.5; h2spec http2/5.5",
      outcome: "ignored",
    },
    {
      name: "a setting that nobody knows",
      sends: frame(SETTINGS, 0, 0, number(0xff, 2) + number(1, 4)),
      source: "RFC 9113 6.5.2; h2spec http2/6.5",
      outcome: "ignored",
    },
    {
      name: "PRIORITY on an idle stream",
      sends: frame(PRIORITY, 0, 3, number(0, 4) + "\x10"),
      source: "RFC 9113 5.3; h2spec generic/2",
      outcome: "ignored",
    },
    {
      name: "PING",
      sends: frame(PING, 0, 0, "12345678"),
      source: "RFC 9113 6.7; h2spec generic/3.7",
      outcome: "ignored",
    },
    {
      ...taken(
        "a greeting in one piece with a request",
        PREFACE + frame(SETTINGS, 0, 0, "") + bare(PSEUDO),
        "RFC 9113 3.4",
        { method: "GET" },
      ),
      isGreeting: true,
    },
  ],
};
