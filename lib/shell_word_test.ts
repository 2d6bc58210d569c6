import assert from "node:assert/strict";
import { quotedWord } from "./shell_word.ts";

Deno.test("a shell reads back the word that was quoted", async () => {
  const words = ["plain/path.car", "with space", "it's", "$HOME", "", "a;b", "https://x.y/?q=1&r"];
  const line = `printf '%s\\0' ${words.map(quotedWord).join(" ")}`;
  const { stdout } = await new Deno.Command("sh", { args: ["-c", line] }).output();
  assert.deepEqual(new TextDecoder().decode(stdout).split("\0").slice(0, -1), words);
  assert.equal(quotedWord(words[0]!), words[0]);
});
