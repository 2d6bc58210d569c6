/** Answers as servers could send them, read by us and by llhttp: what we take, both take alike. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { llhttpAnswer, type ParsedAnswer } from "../../../worlds/llhttp.ts";
import { bytesOf, textOf } from "../../../worlds/scripted_server.ts";
import { answer, cuts, jumbled, method, tampered } from "../../../worlds/server_answers.ts";
import { bodyReader } from "./response_body.ts";
import { ResponseHeadReader } from "./response_head.ts";

const RUNS = Number(Deno.env.get("KHACHAPURI_RUNS") ?? 600);

/** What we make of the first answer in these bytes, which come cut up; null when it is refused. */
function ourAnswer(bytes: Uint8Array, method: string, cuts: readonly number[]) {
  const parts = cutUp(bytes, cuts);
  try {
    const head = headIn(parts);
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
  if (ours) assert.deepEqual(plain(ours), plain(theirAnswer(octets, method)));
  return ours !== null;
}

/** llhttp takes no tab behind a length, where RFC 9112 section 5.5 has any space. */
function theirAnswer(octets: string, method: string): ParsedAnswer | null {
  const theirs = llhttpAnswer(bytesOf(octets), method);
  if (theirs) return theirs;
  const length = /^(content-length:[ \t]*[0-9]+)[ \t]+(?=\r\n)/gim;
  const spaced = octets.replace(length, (line, start) => start.padEnd(line.length));
  return spaced === octets ? null : llhttpAnswer(bytesOf(spaced), method);
}

function plain(answer: ParsedAnswer | null) {
  if (!answer) return null;
  const { status, minor, fields, body, trailers } = answer;
  return { status, minor, fields, body, trailers };
}

Deno.test("answers as the grammar has them are taken, as llhttp takes them", () => {
  fc.assert(
    fc.property(answer, method, cuts, (octets, how, where) => {
      assert.ok(agree(octets, how, where), JSON.stringify(octets));
    }),
    { numRuns: RUNS },
  );
});

Deno.test("of answers that were tampered with, those that are taken are taken as by llhttp", () => {
  let taken = 0;
  fc.assert(
    fc.property(tampered, method, cuts, (octets, how, where) => {
      if (agree(octets, how, where)) taken++;
    }),
    { numRuns: RUNS * 2 },
  );
  assert.ok(taken > RUNS / 5, `${taken} were taken, which tries little`);
});

Deno.test("pieces of answers in any order are taken as by llhttp, or not at all", () => {
  fc.assert(
    fc.property(jumbled, method, cuts, (octets, how, where) => {
      agree(`HTTP/1.1 200 OK\r\n${octets}`, how, where);
      agree(octets, how, where);
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
