/** Answers of servers, as the grammar of RFC 9112 has them and as it does not, for fast-check. */
import fc from "fast-check";
import { textOf } from "./scripted_server.ts";

const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}$/);
const value = fc.stringMatching(/^[\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]{0,20}[\x21-\x7e])?$/);
const spaces = fc.constantFrom("", " ", "\t", " \t ");
const field = fc.tuple(token.map((name) => `x-${name}`), spaces, value, spaces)
  .map(([name, before, what, after]) => `${name}:${before}${what}${after}\r\n`);
const fields = fc.array(field, { maxLength: 40, size: "max" }).map((list) => list.join(""));
const data = fc.uint8Array({ maxLength: 60 }).map(textOf);
/** Sizes of the parts in which octets come. */
export const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 });
/** Of the request. */
export const method = fc.constantFrom("GET", "HEAD", "POST");
const extension = fc.oneof(
  fc.constant(""),
  token.map((name) => `;${name}`),
  fc.tuple(token, token).map(([name, what]) => `;${name}=${what}`),
  fc.tuple(token, token).map(([name, what]) => `;${name}="${what} \\" ;"`),
);
const chunk = fc.tuple(data.filter((one) => one !== ""), extension)
  .map(([one, more]) => `${one.length.toString(16)}${more}\r\n${one}\r\n`);
const body = fc.oneof(
  data.map((one) => ({ framing: `Content-Length: ${one.length}\r\n`, octets: one })),
  data.map((one) => ({ framing: "", octets: one })),
  fc.tuple(fc.array(chunk), extension, fields).map(([chunks, more, trailers]) => ({
    framing: "Transfer-Encoding: chunked\r\n",
    octets: `${chunks.join("")}0${more}\r\n${trailers}\r\n`,
  })),
);
const status = fc.oneof(
  fc.integer({ min: 200, max: 599 }),
  fc.constantFrom(100, 101, 103, 200, 204, 205, 304),
);
/** With a body or without. */
export const answer = fc.tuple(status, value, fields, body, fields).map((
  [code, reason, before, { framing, octets }, after],
) => `HTTP/1.1 ${code} ${reason}\r\n${before}${framing}${after}\r\n${octets}`);

const PIECES = [
  "\r",
  "\n",
  "\r\n",
  "\r\n\r\n",
  " ",
  "\t",
  ":",
  ";",
  ",",
  '"',
  "\0",
  "\x7f",
  "\xff",
  "0",
  "5",
  "f",
  "-",
  "HTTP/1.0",
  "HTTP/1.1 200 OK\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 5, 5\r\n",
  "content-length:\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Transfer-Encoding: chunked, identity\r\n",
  "Connection: close\r\n",
  "0\r\n\r\n",
  " folded\r\n",
];

const mutation = fc.record({
  /** Where, in thousandths. */
  at: fc.integer({ min: 0, max: 999 }),
  drops: fc.integer({ min: 0, max: 3 }),
  puts: fc.oneof(fc.constantFrom(...PIECES), fc.constant(""), token),
});

/** An answer that was tampered with in a place or two, and seldom not at all. */
export const tampered = fc.tuple(
  answer,
  fc.array(mutation, { maxLength: 2, size: "max" }),
  fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.0"),
).map(([octets, mutations, version]) =>
  mutations.reduce((text, { at, drops, puts }) => {
    const place = Math.floor(at * text.length / 1_000);
    return `${text.slice(0, place)}${puts}${text.slice(place + drops)}`;
  }, octets.replace("HTTP/1.1", version))
);

/** Pieces of answers in any order. */
export const jumbled = fc.array(fc.oneof(fc.constantFrom(...PIECES), field, chunk), {
  maxLength: 12,
}).map((pieces) => pieces.join(""));
