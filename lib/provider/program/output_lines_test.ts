import assert from "node:assert/strict";
import fc from "fast-check";
import { SERVER_LINE_CHARACTERS_MAX } from "../../limits_of_servers.ts";
import { OutputLines } from "./output_lines.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

function linesOf(...texts: string[]): OutputLines {
  const lines = new OutputLines();
  for (const text of texts) lines.push(utf8(text));
  return lines;
}

Deno.test("lines are taken when they have an end, the rest when it is wanted", () => {
  const lines = linesOf("one\ntw", "o\r\n\nthr");
  assert.equal(lines.takeWhole(), "one\ntwo\n");
  assert.equal(lines.takeWhole(), null);
  assert.equal(lines.bytes, 3);
  lines.push(utf8("ee"));
  assert.equal(lines.takeAll(), "three");
  assert.deepEqual([lines.takeAll(), lines.end(), lines.bytes], [null, null, 0]);
  assert.equal(linesOf("\n").takeWhole(), "", "an empty line is one");
});

Deno.test("no character is torn, and what is no UTF-8 is told as such", () => {
  const lines = new OutputLines();
  const [first, ...others] = utf8("€");
  lines.push(Uint8Array.of(65, first!));
  assert.equal(lines.takeWhole(), null);
  assert.equal(lines.takeAll(), "A");
  assert.equal(lines.takeAll(), null);
  lines.push(Uint8Array.from([...others, 10]));
  assert.equal(lines.takeWhole(), "€");
  lines.push(Uint8Array.of(0xff, 10, 0xf0));
  assert.equal(lines.takeWhole(), "\ufffd");
  assert.deepEqual([lines.takeAll(), lines.end()], [null, "\ufffd"]);
});

Deno.test("a line that is too long is several, and none of them waits for its end", () => {
  const most = SERVER_LINE_CHARACTERS_MAX;
  const long = linesOf("x".repeat(2 * most + 5), "\nshort\n");
  assert.deepEqual(long.takeWhole()!.split("\n").map(({ length }) => length), [most, most, 5, 5]);
  const exact = linesOf("x".repeat(most), "\n").takeWhole();
  assert.equal(exact, "x".repeat(most));
  const endless = linesOf("x".repeat(most - 1));
  assert.equal(endless.takeWhole(), null);
  // Of the last character a byte is missing.
  endless.push(utf8("x€").subarray(0, 3));
  assert.equal(endless.takeWhole(), "x".repeat(most));
  assert.equal(endless.bytes, 2);
  const smileys = linesOf("😀".repeat(most + 1), "\n").takeWhole()!;
  assert.deepEqual(smileys.split("\n"), ["😀".repeat(most), "😀"]);
});

Deno.test("memory of the reader's is not kept", () => {
  const lines = new OutputLines();
  const chunk = utf8("one\n");
  lines.push(chunk);
  chunk.fill(0);
  assert.equal(lines.takeWhole(), "one");
});

Deno.test("any text comes out as it was written, however it was cut", () => {
  const texts = fc.array(fc.string({ unit: "binary", maxLength: 20 }), { maxLength: 8 });
  fc.assert(fc.property(texts, fc.array(fc.nat(200)), (written, cuts) => {
    const text = written.map((line) => line.replaceAll(/[\r\n]/g, "")).join("\n");
    const bytes = utf8(text);
    const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b)];
    const lines = new OutputLines();
    const read: string[] = [];
    for (const [index, from] of at.entries()) {
      lines.push(bytes.subarray(from, at[index + 1] ?? bytes.length));
      read.push(...lines.takeWhole()?.split("\n") ?? []);
    }
    read.push(lines.end() ?? "");
    assert.deepEqual(read, text.split("\n"));
  }));
});
