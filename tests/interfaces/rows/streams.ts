/** What comes before all has come. */
import { apart, type Chapter, everywhere, request, type Row } from "../row.ts";

const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const MEGABYTE = "a".repeat(1_000_000);
const HEAD = request("POST", "/back", "Transfer-Encoding: chunked");

const BOTH_WAYS: Row = {
  name: "the body and the answer, line by line",
  sends: (() => {
    const turns = [
      HEAD + chunk("one\n"),
      { hear: "heard one" },
      chunk("two\n"),
      { hear: "heard two" },
      chunk(""),
    ];
    const whole = [HEAD + chunk("one\n") + chunk("two\n") + chunk("")];
    return { curl: turns, cgi: whole, http: turns };
  })(),
  source: "RFC 9110 7.5",
  outcomes: {
    curl: { says: "by turns", status: 200, body: "heard one\nheard two\n" },
    cgi: { says: "the answer behind the body", status: 200, body: "heard one\nheard two\n" },
    http: { says: "by turns", status: 200, body: "heard one\nheard two\n" },
  },
};

export const STREAMS: Chapter = {
  title: "Streams",
  about: "What is written reaches the other side without waiting for what follows.",
  rows: [
    BOTH_WAYS,
    {
      name: "an event without an end, and a caller who goes",
      sends: [request("GET", "/endless"), { hear: "data: one" }],
      hangsUp: true,
      source: "HTML 9.2; RFC 9112 9.6",
      outcomes: everywhere({ says: "comes at once; the run ends with the caller", status: 200 }),
    },
    {
      name: "a megabyte whose length the program says",
      sends: [request("GET", "/long")],
      source: "RFC 9112 6",
      outcomes: apart(
        { says: "in chunks", status: 200, body: MEGABYTE, framing: "chunked" },
        { says: "with its length", status: 200, body: MEGABYTE, framing: "length" },
      ),
    },
    {
      name: "a caller of HTTP/1.0",
      sends: [request("GET", "/streamed").replace("HTTP/1.1", "HTTP/1.0")],
      source: "RFC 9112 6.3",
      outcomes: everywhere({
        says: "until the close",
        status: 200,
        body: "one\ntwo\nthree\n",
        framing: "close",
      }),
    },
    {
      name: "an answer before the body was read",
      sends: [request("POST", "/early", "Content-Length: 100000") + "a".repeat(100_000)],
      source: "RFC 9110 7.5; RFC 9112 9.3",
      outcomes: everywhere({ says: "413", status: 413, body: "too much\n" }),
    },
  ],
};
