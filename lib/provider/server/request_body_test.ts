import assert from "node:assert/strict";
import { type ByteSource, chunksSource } from "../../byte_source.ts";
import { bytesOf, textOf } from "../../../worlds/scripted_server.ts";
import { requestPieces } from "./request_body.ts";

const HEAD = bytesOf("HEAD\r\n\r\n");

/** All pieces; the last one says that it is. */
async function pieces(body: ByteSource, bodyBytes: number | null): Promise<string[]> {
  const list: string[] = [];
  const lasts: boolean[] = [];
  for await (const { bytes, isLast } of requestPieces(HEAD, body, bodyBytes)) {
    list.push(textOf(bytes));
    lasts.push(isLast);
  }
  assert.equal(lasts.indexOf(true), list.length - 1);
  return list;
}

const source = (...texts: string[]) => chunksSource(texts.map(bytesOf));

Deno.test("what of the body is there goes out with the head", async () => {
  assert.deepEqual(await pieces(source("a", "b"), 2), ["HEAD\r\n\r\na", "b"]);
});

Deno.test("a body without a length goes out in chunks", async () => {
  const long = "x".repeat(26);
  const all = await pieces(source("a", long), null);
  assert.deepEqual(all, ["HEAD\r\n\r\n1\r\na\r\n", `1a\r\n${long}\r\n`, "0\r\n\r\n"]);
  assert.deepEqual(await pieces(source(), null), ["HEAD\r\n\r\n0\r\n\r\n"]);
  const large = "x".repeat(1 << 17);
  assert.deepEqual(await pieces(source(large), 1 << 17), ["HEAD\r\n\r\n", large]);
  const parts = await pieces(source(large), null);
  assert.equal(parts.join(""), `HEAD\r\n\r\n20000\r\n${large}\r\n0\r\n\r\n`);
});

Deno.test("a chunk of nothing does not end the body", async () => {
  const chunks = [bytesOf("a"), bytesOf(""), bytesOf("b"), null];
  const body = { read: () => Promise.resolve(chunks.shift()!), cancel() {} };
  const all = await pieces(body, null);
  assert.equal(all.join(""), "HEAD\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
});

Deno.test("a head does not wait for its body", async () => {
  const coming = Promise.withResolvers<Uint8Array | null>();
  const body = { read: () => coming.promise, cancel() {} };
  const all = requestPieces(HEAD, body, 1);
  assert.equal(textOf((await all.next()).value!.bytes), "HEAD\r\n\r\n");
  coming.resolve(bytesOf("a"));
  assert.equal(textOf((await all.next()).value!.bytes), "a");
  assert.equal((await all.next()).done, true);
});

Deno.test("no byte goes out beyond the length that was said", async () => {
  const message = "the body of the request has more bytes than its Content-Length said";
  const all = requestPieces(HEAD, source("ab", "cd"), 3);
  assert.equal(textOf((await all.next()).value!.bytes), "HEAD\r\n\r\nab");
  await assert.rejects(async () => void await all.next(), { code: "invalid_input", message });
  await assert.rejects(pieces(source("abcd"), 3), { code: "invalid_input", message });
});

Deno.test("a body that ends before its length fails", async () => {
  await assert.rejects(pieces(source("ab"), 3), {
    code: "invalid_input",
    message: "the body of the request ended 1 bytes early",
  });
});

Deno.test("a source's failure is passed on", async () => {
  const reason = new Error("broke");
  const body = { read: () => Promise.reject(reason), cancel() {} };
  await assert.rejects(pieces(body, null), reason);
});
