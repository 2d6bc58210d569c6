import assert from "node:assert/strict";
import fc from "fast-check";
import { createOutput, type LiveOutput } from "../../../sandbox/output.ts";
import { LineReader } from "./line_reader.ts";

const bytesOf = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const textOf = (bytes: Uint8Array) => String.fromCharCode(...bytes);

/** An output whose program prints as the test says. */
function output(): LiveOutput & { cancelled: () => number } {
  let cancelled = 0;
  const its = createOutput(() => {}, () => cancelled += 1);
  return { ...its, cancelled: () => cancelled };
}

/** A reader of what a program has printed in these chunks. */
function readerOf(chunks: readonly string[], bytesMax = 1_000): LineReader {
  const its = output();
  for (const chunk of chunks) its.receive(bytesOf(chunk));
  its.end(null);
  return new LineReader(its, bytesMax);
}

async function restOf(lines: LineReader): Promise<string> {
  let text = "";
  for (let chunk = await lines.read(); chunk; chunk = await lines.read()) text += textOf(chunk);
  return text;
}

Deno.test("lines come without their ends, and the rest as it was printed", async () => {
  const lines = readerOf(["one\ntw", "o\r\n\nrest\r\n", "more"]);
  assert.equal(await lines.line(), "one");
  assert.equal(await lines.line(), "two");
  assert.equal(await lines.line(), "");
  assert.equal(await restOf(lines), "rest\r\nmore");
  assert.equal(await lines.read(), null);
});

Deno.test("only the last carriage return belongs to a line's end", async () => {
  const lines = readerOf(["a\r\r\nb\rc\n"]);
  assert.equal(await lines.line(), "a\r");
  assert.equal(await lines.line(), "b\rc");
});

Deno.test("a line is Latin-1: a character for each byte", async () => {
  const all = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code))
    .replaceAll("\n", "");
  const long = all.repeat(100);
  const lines = readerOf([`${long}\n`], 100_000);
  assert.equal(await lines.line(), long);
});

Deno.test("whether output begins with something takes no more bytes than that", async () => {
  const its = output();
  const lines = new LineReader(its, 1_000);
  its.receive(bytesOf("HT"));
  const begins = lines.startsWith("HTTP/");
  its.receive(bytesOf("TP/"));
  assert.equal(await begins, true);
  its.receive(bytesOf("1.1\n"));
  assert.equal(await lines.line(), "HTTP/1.1");
});

Deno.test("what cannot become the beginning any more is known at once", async () => {
  const its = output();
  const lines = new LineReader(its, 1_000);
  its.receive(bytesOf("HX"));
  assert.equal(await lines.startsWith("HTTP/"), false);
  its.end(null);
  assert.equal(await restOf(lines), "HX");
  assert.equal(await readerOf(["HTTP"]).startsWith("HTTP/"), false);
  assert.equal(await readerOf([]).startsWith("H"), false);
});

Deno.test("an output is empty when it ends without a byte, and loses none when it is not", async () => {
  assert.equal(await readerOf([]).isEmpty(), true);
  assert.equal(await readerOf(["", ""]).isEmpty(), true);
  const lines = readerOf(["", "a\n"]);
  assert.equal(await lines.isEmpty(), false);
  assert.equal(await lines.line(), "a");
  assert.equal(await lines.isEmpty(), true);
});

Deno.test("a line that is cut off is the program's failure, in the middle or before it", async () => {
  for (const printed of ["", "half a line"]) {
    const lines = readerOf([printed]);
    await assert.rejects(lines.line(), { code: "program_failed", message: /cut off/ });
  }
});

Deno.test("all lines together are bounded, their ends included, and the rest is not", async () => {
  const exact = readerOf(["12345\n", "789\n", "x".repeat(100)], 10);
  assert.equal(await exact.line(), "12345");
  assert.equal(await exact.line(), "789");
  assert.equal((await restOf(exact)).length, 100);

  const over = readerOf(["12345\n7890\n"], 10);
  await over.line();
  await assert.rejects(over.line(), { code: "program_failed", message: /larger than 10 bytes/ });
});

Deno.test("a line without an end is given up as soon as it is too long", async () => {
  const its = output();
  const lines = new LineReader(its, 10);
  its.receive(bytesOf("x".repeat(11)));
  await assert.rejects(lines.line(), /larger than 10 bytes/);
});

Deno.test("what the output fails with is what reading fails with", async () => {
  const its = output();
  const lines = new LineReader(its, 1_000);
  const failed = new Error("the sandbox has ended");
  const line = assert.rejects(lines.line(), failed);
  its.receive(bytesOf("half"));
  its.end(failed);
  await line;
  // What had come in is still there.
  assert.equal(textOf((await lines.read())!), "half");
  await assert.rejects(lines.read(), failed);
});

Deno.test("giving up ends the program, and never fails", async () => {
  const its = output();
  await new LineReader(its, 1_000).cancel();
  assert.equal(its.cancelled(), 1);
  const broken = new LineReader({
    ...output(),
    cancel: () => Promise.reject(new Error("gone")),
  }, 1_000);
  await broken.cancel();
});

Deno.test("however output is cut into chunks, the same lines and the same rest come of it", async () => {
  const chunk = fc.stringMatching(/^[ab\r\n]{0,6}$/);
  await fc.assert(
    fc.asyncProperty(fc.array(chunk), async (chunks) => {
      const text = chunks.join("");
      const expected = text.split("\n");
      const rest = expected.pop()!;
      const lines = readerOf(chunks);
      for (const line of expected) assert.equal(await lines.line(), line.replace(/\r$/, ""));
      assert.equal(await restOf(lines), rest);
    }),
    { numRuns: 300 },
  );
});
