import assert from "node:assert/strict";
import { readBlocks } from "./blocks.ts";

const fenced = (language: string, text: string) => `\`\`\`${language}\n${text}\n\`\`\`\n`;

Deno.test("a document's blocks are read in order, with who runs them", () => {
  const markdown = [
    "# Title\n",
    `<!-- as: owner -->\n\n${fenced("sh", "one\ntwo")}`,
    fenced("", "an example of output"),
    `<!-- not run: it ends the world -->\n\n${fenced("sh", "rm -r /")}`,
  ].join("\n");
  assert.deepEqual(readBlocks("a.md", markdown), [
    { place: "a.md:3", text: "one\ntwo\n", person: "owner" },
    { place: "a.md:14", text: "rm -r /\n", person: null },
  ]);
});

Deno.test("what is pasted behind a command that reads the terminal would be lost", () => {
  const block = (text: string) => `<!-- as: server -->\n\n${fenced("sh", text)}`;
  for (const command of ["editor terms.txt", "khachapuri deploy .", "khachapuri serve"]) {
    assert.throws(() => readBlocks("a.md", block(`${command}\ntrue`)), /a\.md:1/);
    assert.equal(readBlocks("a.md", block(`true\n${command}`)).length, 1);
  }
  assert.equal(readBlocks("a.md", block("khachapuri deploy . \\\n  --private")).length, 1);
  assert.throws(() => readBlocks("a.md", block("khachapuri deploy . \\\n  --private\ntrue")));
});

Deno.test("a block that is neither run nor marked is refused, and so is another shell's", () => {
  for (const language of ["sh", "bash", "console"]) {
    assert.throws(() => readBlocks("a.md", `Say:\n\n${fenced(language, "true")}`), /a\.md:3/);
  }
});
