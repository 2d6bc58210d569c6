import assert from "node:assert/strict";
import { byLine, keepColours, linesTo } from "./program_lines.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("lines of several runs do not mix, and none is lost", () => {
  const lines: string[] = [];
  const tell = (line: Uint8Array) => void lines.push(new TextDecoder().decode(line));
  const [one, other] = [byLine(tell), byLine(tell)];
  one.hear(bytes("first, "));
  other.hear(bytes("other\nrest"));
  one.hear(bytes("still\n\nlast"));
  one.close();
  other.close();
  other.close();
  assert.deepEqual(lines, ["other", "first, still", "", "last", "rest"]);
});

Deno.test("colours and tabs stay and end with the line; what else drives a terminal goes", () => {
  assert.equal(keepColours("a\tb\nü 🍞"), "a\tb\nü 🍞");
  assert.equal(keepColours("\x1b[1;38:5:9mred\x1b[0m"), "\x1b[1;38:5:9mred\x1b[0m");
  assert.equal(keepColours("\x1b[31mred"), "\x1b[31mred\x1b[0m");
  // The title, the clipboard, a link, the screen, the cursor, a device's report; C1 and 7 bits.
  for (const code of ["]0;t\x07", "]52;c;eA==\x1b\\", "]8;;http://a\x1b\\", "[2J", "[1A", "[6n"]) {
    for (const begin of ["\x1b", "\x1b\x1b", "\x1b[\x1b"]) {
      // deno-lint-ignore no-control-regex -- it is what is looked for
      const escapes = keepColours(begin + code).match(/\x1b(?!\[[0-9;:]*m)/g);
      assert.equal(escapes, null, JSON.stringify(begin + code));
    }
  }
  assert.equal(keepColours("\x9b2J\x9d0;t\x9c"), "2J0;t");
});

Deno.test("characters and sequences that come in parts are put together", () => {
  let text = "";
  const ear = linesTo((written) => text += new TextDecoder().decode(written), "<", ">");
  const all = bytes("ü\x1b]0;t\x07\nend");
  for (const byte of all) ear.hear(Uint8Array.of(byte));
  ear.close();
  assert.equal(text, "<ü]0;t><end>");
});
