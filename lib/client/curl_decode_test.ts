import assert from "node:assert/strict";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { decodedBody } from "./curl_decode.ts";

const text = "khachapuri ".repeat(1_000);
const encode = {
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
} as const;

function decode(coding: string, bytes: Uint8Array) {
  const fields = [["Content-Encoding", coding]] as const;
  const body = new Blob([new Uint8Array(bytes)]).stream();
  return new Response(decodedBody({ fields, body })).text();
}

Deno.test("a body is decoded from what --compressed asks for, one coding over another too", async () => {
  for (const [coding, compress] of Object.entries(encode)) {
    assert.equal(await decode(coding, compress(text)), text, coding);
  }
  assert.equal(await decode("br, gzip", gzipSync(brotliCompressSync(text))), text);
  assert.equal(await decode("identity", new TextEncoder().encode(text)), text);
});

Deno.test("a body that is not what it says is a failure", async () => {
  const broken = decode("gzip", new TextEncoder().encode("plain"));
  await assert.rejects(broken, { code: "program_failed", message: /not the gzip that it says/ });
});

Deno.test("a body that breaks off fails as it broke off", async () => {
  const cut = new Error("broke off");
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(new Uint8Array(gzipSync(text)).subarray(0, 20)),
    pull: (controller) => controller.error(cut),
  });
  const fields = [["content-encoding", "gzip"]] as const;
  await assert.rejects(new Response(decodedBody({ fields, body })).text(), cut);
});
