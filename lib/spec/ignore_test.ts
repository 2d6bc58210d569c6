import assert from "node:assert/strict";
import { join } from "node:path";
import { parseIgnore } from "./ignore.ts";

const PATHS = [
  "main",
  "a.log",
  "deep/b.log",
  "deep/er/c.log",
  "build/out.js",
  "src/build/x",
  "src/main.ts",
  "doc/a.md",
  "doc/sub/b.md",
  "keep.log",
  "#odd",
  "!odd",
  "sp ace ",
  "a[1]",
  "x1",
  "x2",
  "xa",
  "äö.txt",
];

const FILES = [
  "*.log\n!keep.log\n",
  "/build\n",
  "build/\n",
  "build/out.js\r\n# a comment\n\n",
  "doc/**\n",
  "doc/*.md\n",
  "**/b.*\n",
  "src/**/x\n",
  "deep/**/*.log\n",
  "\\#odd\n\\!odd\n",
  "sp ace\\ \n",
  "main   \n",
  "x[0-9]\n",
  "x[!0-9]\n",
  "a\\[1\\]\n",
  "?1\n",
  "*\n!*.ts\n!*/\n",
  "[\nmain\n",
  "ä*.txt\n",
  ".*\n",
];

Deno.test("patterns mean what they mean to git", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const git = (args: string[]) =>
      new Deno.Command("git", { args, cwd: dir, stderr: "null" }).output();
    await git(["init", "-q"]);
    for (const path of PATHS) {
      await Deno.mkdir(join(dir, path, ".."), { recursive: true });
      await Deno.writeTextFile(join(dir, path), "");
    }
    for (const text of FILES) {
      await Deno.writeTextFile(join(dir, ".gitignore"), text);
      const args = ["-c", "core.quotePath=false", "check-ignore", "--no-index", "--", ...PATHS];
      const { stdout } = await git(args);
      const theirs = new TextDecoder().decode(stdout).split("\n").slice(0, -1);
      const ignore = parseIgnore(text);
      const ours = PATHS.filter((path) => {
        const parts = path.split("/");
        return parts.some((_, depth) =>
          ignore(parts.slice(0, depth + 1).join("/"), depth < parts.length - 1)
        );
      });
      assert.deepEqual(ours.toSorted(), theirs.toSorted(), JSON.stringify(text));
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a byte order mark before the first pattern is none of it", () => {
  assert.equal(parseIgnore("\ufeff.env\n")(".env", false), true);
});
