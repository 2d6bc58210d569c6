/** Answers as servers could send them, read by us and by llhttp: what we take, both take alike. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { llhttpAnswer, type ParsedAnswer } from "../../../worlds/llhttp.ts";
import { bytesOf, textOf } from "../../../worlds/scripted_server.ts";
import { bodyReader } from "./response_body.ts";
import { ResponseHeadReader } from "./response_head.ts";

const RUNS = Number(Deno.env.get("KHACHAPURI_RUNS") ?? 1_000);

/** What we make of the first answer in these bytes, which come cut up; null when it is refused. */
function ourAnswer(bytes: Uint8Array, method: string, cuts: readonly number[]) {
  const parts = cutUp(bytes, cuts);
  try {
    const head = headIn(parts);
    // No body follows it, and what does is no concern of the head.
    if (head.status < 200) return { ...head, body: "", trailers: [] };
    return { ...head, ...bodyIn(parts, bodyReader(head, method)) };
  } catch (error) {
    assert.equal((error as { code?: string }).code, "program_failed");
    return null;
  }
}

/** Copies: data is moved together where it lies. */
function cutUp(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (let cut = 0; at < bytes.length; cut++) {
    const size = cuts.length > 0 ? cuts[cut % cuts.length]! : bytes.length;
    parts.push(bytes.slice(at, at + size));
    at += size;
  }
  return parts;
}

function headIn(parts: Uint8Array[]) {
  const reader = new ResponseHeadReader();
  while (!reader.head) {
    const part = parts.shift();
    if (!part) throw Object.assign(new Error("cut off"), { code: "program_failed" });
    const used = reader.take(part);
    if (used < part.length) parts.unshift(part.subarray(used));
  }
  return reader.head;
}

function bodyIn(parts: Uint8Array[], reader: ReturnType<typeof bodyReader>) {
  let body = "";
  while (!reader.isOver) {
    const part = parts.shift();
    if (!part) {
      reader.end();
      break;
    }
    const { used, data } = reader.take(part);
    body += textOf(data);
    if (used < part.length) parts.unshift(part.subarray(used));
  }
  return { body, trailers: reader.trailers };
}

/** @returns whether the answer was taken */
function agree(octets: string, method: string, cuts: readonly number[]): boolean {
  const bytes = bytesOf(octets);
  const ours: ParsedAnswer | null = ourAnswer(bytes, method, cuts);
  assert.deepEqual(ours, ourAnswer(bytes, method, []), "the cuts make a difference");
  if (ours) assert.deepEqual(plain(ours), plain(llhttpAnswer(bytes, method)));
  return ours !== null;
}

function plain(answer: ParsedAnswer | null) {
  if (!answer) return null;
  const { status, minor, fields, body, trailers } = answer;
  return { status, minor, fields, body, trailers };
}

const chance = (share: number) => fc.integer({ min: 1, max: share }).map((one) => one === 1);
const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}$/);
const value = fc.stringMatching(/^[\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]{0,20}[\x21-\x7e])?$/);
const spaces = fc.constantFrom("", " ", "\t", " \t ");
const field = fc.tuple(token.map((name) => `x-${name}`), spaces, value, spaces)
  .map(([name, before, what, after]) => `${name}:${before}${what}${after}\r\n`);
const fields = fc.array(field, { maxLength: 40, size: "max" }).map((list) => list.join(""));
const data = fc.uint8Array({ maxLength: 60 }).map(textOf);
const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 });
const method = fc.constantFrom("GET", "HEAD", "POST");
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
const answer = fc.tuple(status, value, fields, body, fields).map((
  [code, reason, before, { framing, octets }, after],
) => `HTTP/1.1 ${code} ${reason}\r\n${before}${framing}${after}\r\n${octets}`);

Deno.test("answers as the grammar has them are taken, as llhttp takes them", () => {
  fc.assert(
    fc.property(answer, method, cuts, (octets, how, where) => {
      assert.ok(agree(octets, how, where), JSON.stringify(octets));
    }),
    { numRuns: RUNS },
  );
});

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

Deno.test("of answers that were tampered with, those that are taken are taken as by llhttp", () => {
  let taken = 0;
  const mutations = fc.array(mutation, { minLength: 1, maxLength: 2 });
  fc.assert(
    fc.property(answer, mutations, method, cuts, chance(3), (octets, list, how, where, isOld) => {
      let text = isOld ? octets.replace("HTTP/1.1", "HTTP/1.0") : octets;
      for (const { at, drops, puts } of list) {
        const place = Math.floor(at * text.length / 1_000);
        text = `${text.slice(0, place)}${puts}${text.slice(place + drops)}`;
      }
      if (agree(text, how, where)) taken++;
    }),
    { numRuns: RUNS * 2 },
  );
  assert.ok(taken > RUNS / 5, `${taken} were taken, which tries little`);
});

Deno.test("pieces of answers in any order are taken as by llhttp, or not at all", () => {
  const piece = fc.oneof(fc.constantFrom(...PIECES), field, chunk);
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), method, cuts, (pieces, how, where) => {
      agree(`HTTP/1.1 200 OK\r\n${pieces.join("")}`, how, where);
      agree(pieces.join(""), how, where);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("what llhttp takes and we do not", () => {
  const refused = {
    "a status that is none": "HTTP/1.1 700 X\r\nContent-Length: 0\r\n\r\n",
    "a version that is not spoken here": "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "empty lines before it": "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "chunks in HTTP/1.0": "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "codings beside chunked":
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "codings that do not end": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
  };
  for (const [what, octets] of Object.entries(refused)) {
    assert.ok(llhttpAnswer(bytesOf(octets), "GET"), `llhttp does not take ${what}`);
    assert.equal(ourAnswer(bytesOf(octets), "GET", []), null, what);
  }
});
