import assert from "node:assert/strict";
import fc from "fast-check";
import { outputOf } from "../../../sandbox/output.ts";
import { LineReader } from "./line_reader.ts";

const bytesOf = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

function readerOf(chunks: readonly string[], bytesMax = 1_000): LineReader {
  return new LineReader(outputOf(ReadableStream.from(chunks.map(bytesOf))), bytesMax);
}

async function restOf(lines: LineReader): Promise<string> {
  let text = "";
  for (let chunk = await lines.read(); chunk; chunk = await lines.read()) {
    text += String.fromCharCode(...chunk);
  }
  return text;
}

/** The same text, cut anywhere. */
const cut = fc.tuple(fc.string({ minLength: 1, maxLength: 60 }), fc.array(fc.nat(59))).map(
  ([text, at]) => {
    const ends = [...new Set(at.map((index) => index % text.length))].sort((a, b) => a - b);
    return [0, ...ends].map((from, index) => text.slice(from, ends[index]));
  },
).filter((chunks) => chunks.every((chunk) => [...chunk].every((char) => char <= "\xff")));

Deno.test("lines end with LF or CRLF, and what follows them is the rest, however it is cut", async () => {
  await fc.assert(fc.asyncProperty(cut, async (chunks) => {
    const lines = readerOf(["one\r\ntw", "o\n\n", ...chunks]);
    assert.deepEqual([await lines.line(), await lines.line(), await lines.line()], [
      "one",
      "two",
      "",
    ]);
    assert.equal(await restOf(lines), chunks.join(""));
  }));
});

Deno.test("bytes above ASCII stay what they are", async () => {
  assert.equal(await readerOf(["caf\xe9\x80\n"]).line(), "caf\xe9\x80");
});

Deno.test("a beginning is known from as many bytes as it has, and nothing of it is lost", async () => {
  const never = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytesOf("HTX")),
  });
  assert.equal(await new LineReader(outputOf(never), 10).startsWith("HTTP/"), false);
  const lines = readerOf(["H", "TTP/1.1\n"]);
  assert.equal(await lines.startsWith("HTTP/"), true);
  assert.equal(await lines.line(), "HTTP/1.1");
  assert.equal(await readerOf(["HTT"]).startsWith("HTTP/"), false);
});

Deno.test("an output without a byte is empty, one with a byte is not", async () => {
  assert.equal(await readerOf([]).isEmpty(), true);
  const lines = readerOf(["x"]);
  assert.equal(await lines.isEmpty(), false);
  assert.equal(await restOf(lines), "x");
});

Deno.test("lines have a bound together, to the byte, and must end", async () => {
  const within = readerOf(["12345\n", "123\n"], 10);
  assert.deepEqual([await within.line(), await within.line()], ["12345", "123"]);
  const beyond = readerOf(["12345\n", "1234\n"], 10);
  await beyond.line();
  const refused = { code: "program_failed", message: /larger than 10 bytes/ };
  await assert.rejects(beyond.line(), refused);
  await assert.rejects(readerOf(["x".repeat(11)], 10).line(), refused);
  await assert.rejects(readerOf(["no end"]).line(), { message: /cut off/ });
});

Deno.test("giving up the rest never fails", async () => {
  const broken = {
    isComplete: () => false,
    read: () => Promise.resolve(null),
    cancel: () => Promise.reject(new Error("gone")),
  };
  await new LineReader(broken, 10).cancel();
});
