import assert from "node:assert/strict";
import fc from "fast-check";
import { dirname, join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { FolderIgnores } from "./folder_ignores.ts";
import { IGNORE_FILE, Ignores } from "./ignore.ts";

const PATHS: readonly string[] = [
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

const FILES: readonly string[] = [
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

/** A repository with files of these names, all empty. */
async function inRepository(
  paths: readonly string[],
  test: (ignored: (rules: Rules) => Promise<string[]>, dir: string) => Promise<void>,
): Promise<void> {
  await inFolder(async (dir) => {
    await new Deno.Command("git", { args: ["init", "-q"], cwd: dir }).output();
    for (const path of paths) {
      await Deno.mkdir(dirname(join(dir, path)), { recursive: true });
      await Deno.writeTextFile(join(dir, path), "");
    }
    await test(async (rules) => {
      for (const [folder, text] of Object.entries(rules)) {
        await Deno.writeTextFile(join(dir, folder, ".gitignore"), text);
      }
      return await checkIgnore(dir, paths);
    }, dir);
  });
}

/** What the ignore files say, by folder. */
type Rules = Readonly<Record<string, string>>;

/** Those that git ignores. */
async function checkIgnore(dir: string, paths: readonly string[]): Promise<string[]> {
  const args = ["check-ignore", "--no-index", "-z", "--stdin"];
  const git = new Deno.Command("git", { args, cwd: dir, stdin: "piped", stdout: "piped" }).spawn();
  const writer = git.stdin.getWriter();
  await writer.write(new TextEncoder().encode(paths.map((path) => `${path}\0`).join("")));
  await writer.close();
  return new TextDecoder().decode((await git.output()).stdout).split("\0").slice(0, -1);
}

/** Those that stay out by our rules. */
function outOf(paths: readonly string[], rules: Rules): string[] {
  return paths.filter((path) => {
    let known = Ignores.usual.with("", rules[""] ?? "");
    const parts = path.split("/");
    return parts.some((_, depth) => {
      const place = parts.slice(0, depth + 1).join("/");
      const isOut = known.isOut(place, depth < parts.length - 1);
      if (rules[place] !== undefined) known = known.with(place, rules[place]);
      return isOut;
    });
  });
}

Deno.test("patterns mean what they mean to git", async () => {
  await inRepository(PATHS, async (ignored) => {
    for (const text of FILES) {
      const [theirs, ours] = [await ignored({ "": text }), outOf(PATHS, { "": text })];
      assert.deepEqual(ours.toSorted(), theirs.toSorted(), JSON.stringify(text));
    }
  });
});

const TREE: readonly string[] = [
  ...["a", "b", "ab", "abc", "a.b", "a b", "a ", "A", "[a]", "!a", "#a", "a*b", "a-b"],
  ...["x/a", "x/b", "x/ab", "x/y/a", "x/y/b", "x/y/z/a", "x/y/z/x", "x/a b/c", "x/\\a"],
  ...["a1/b", "a1/b1/c", "a1/a", "[z]*/a", "[z]*/b/a", "y z/a", "!y/a"],
];

/** Each with a file of rules of its own. */
const FOLDERS = ["", "x", "x/y", "a1", "[z]*", "y z", "!y"] as const;

const PIECES = [
  "a",
  "b",
  "1",
  "x",
  "*",
  "?",
  "[ab]",
  "[!a]",
  "[a-b]",
  "\\*",
  "\\a",
  ".",
  " ",
  "\\ ",
];
const segment = fc.oneof(
  fc.constantFrom("a", "b", "ab", "x", "y", "z", "a b", "A", "**", "*"),
  fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 3 })
    .map((pieces) => pieces.join("")),
);
const line = fc.tuple(
  fc.constantFrom("", "", "!", "/", "!/", "\\", " ", "#"),
  fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => segments.join("/")),
  fc.constantFrom("", "", "/", " ", "/**", "/*", "\r"),
).map((parts) => parts.join("")).filter((text) => !/[^/*!]\*\*|\*\*[^/ \r]/.test(text));
const text = fc.array(line, { maxLength: 4 }).map((lines) =>
  lines.map((each) => `${each}\n`).join("")
);
const rules = fc.record(
  Object.fromEntries(FOLDERS.map((folder) => [folder, text])) as Record<string, typeof text>,
);

Deno.test("any patterns, in any folders, mean what they mean to git", async () => {
  await inRepository(TREE, async (ignored) => {
    await fc.assert(
      fc.asyncProperty(rules, async (said) => {
        assert.deepEqual(outOf(TREE, said).toSorted(), (await ignored(said)).toSorted());
      }),
      { numRuns: Number(Deno.env.get("KHACHAPURI_IGNORE_RUNS") ?? 100) },
    );
  });
});

const usual = (path: string, isFolder = false) => Ignores.usual.isOut(path, isFolder);

Deno.test("a file from Windows means the same: a byte order mark, and ends of lines", () => {
  const rules = Ignores.usual.with("", "\ufeff.env\r\nbuild/\r\n");
  assert.equal(rules.isOut(".env", false), true);
  assert.equal(rules.isOut("build", true), true);
});

Deno.test("histories, caches and the like are left out at any depth, their namesakes are not", () => {
  for (const path of [".git", "a/b/.git", ".hg", "a/.DS_Store", ".main.swp"]) {
    assert.equal(usual(path), true, path);
  }
  for (const path of [".git", "lib/.svn", "a/__pycache__", "x/node_modules/.cache", ".venv"]) {
    assert.equal(usual(path, true), true, path);
  }
  for (const path of ["repo.git", ".github", ".gitignore", "cache", ".cache", "venv", "main.swp"]) {
    assert.equal(usual(path, true), false, path);
  }
  assert.equal(usual("__pycache__"), false);
});

Deno.test("what is left out comes back by its name, and not by a pattern that only fits it", () => {
  const back = Ignores.usual.with("", "!.venv\n!lib/.git/\n!**/node_modules/.cache\n");
  assert.equal(back.isOut(".venv", true), false);
  assert.equal(back.isOut("lib/.git", true), false);
  assert.equal(back.isOut(".git", true), true);
  assert.equal(back.isOut("a/node_modules/.cache", true), false);
  const broad = Ignores.usual.with("", "*\n!*/\n!*.py\n!.*\n");
  assert.equal(broad.isOut(".git", true), true);
  assert.equal(broad.isOut(".venv/lib/a.py", false), true);
  assert.equal(broad.isOut("lib/a.py", false), false);
  const again = back.with("lib", ".git\n");
  assert.equal(again.isOut("lib/.git", true), true);
  const own = Ignores.usual.with("", "*\n!.venv\n");
  assert.equal(own.isOut("other", false), true);
  assert.equal(own.isLeftOut("other", false), false);
});

Deno.test("rules are read where they lie, once, and none that lie in what is out", async () => {
  await inFolder(async (dir) => {
    await Deno.mkdir(join(dir, "a/b"), { recursive: true });
    await Deno.writeTextFile(join(dir, "a", IGNORE_FILE), "*.log\n/b\n");
    await Deno.writeTextFile(join(dir, "a/b", IGNORE_FILE), "!*.log\n");
    const ignores = new FolderIgnores(dir);
    assert.equal(ignores.isOut("x.log"), false);
    assert.equal(ignores.isOut("a/c/x.log"), true);
    assert.equal(ignores.isOut("a/b/x.log"), true);
    await Deno.remove(join(dir, "a", IGNORE_FILE));
    assert.equal(ignores.isOut("a/x.log"), true);
    assert.equal(new FolderIgnores(dir).isOut("a/b/x.log"), false);
  });
});
