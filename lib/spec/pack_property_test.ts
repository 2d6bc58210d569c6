/** Any folder packs and unpacks to itself, and is the same bytes wherever it is packed. */
import assert from "node:assert/strict";
import { join, posix } from "node:path";
import fc from "fast-check";
import { inFolder } from "../../worlds/home.ts";
import {
  type Circumstances,
  linesOf,
  type ProgramTree,
  readTree,
  SAMPLE_TREE,
  type TreeItem,
  writeTree,
} from "../../worlds/spec/program_tree.ts";
import { formatCid } from "../cid.ts";
import { importFile } from "../ipfs/dag.ts";
import { packProgram } from "./pack.ts";
import { unpackProgram } from "./unpack.ts";

/** Of the sample folder, since there are programs: the same sources keep their cid. */
const SAMPLE_CID = "bafkreibvbng7jrb2drrkapkkmff354qwvepmgmozy2mvu54zsjezyjlqru";

const name = fc.oneof(
  fc.constantFrom("main", "a", "b", "lib", "0", "10", "9", "__proto__", "constructor", "toString"),
  fc.constantFrom("with space", " a", "a ", "...", ".hidden", "-rf", "--", "a'b", 'a"b', "$HOME"),
  fc.constantFrom("a:b", "*", "?", "[a]", "!a", "#a", "a;b", "CON", "~", "%2e", "@", "=", "ხაჭა"),
  fc.constantFrom("é", "e\u0301x", "日本", "😀", "a\u200db", "\u202ea", "ﬁ", "n".repeat(255)),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((text) =>
    // deno-lint-ignore no-control-regex -- control characters are refused, by a test below
    !/[\u0000-\u001f\u007f-\u009f/\\\ufffd]|^\.{1,2}$|^[A-Za-z]:/.test(text) &&
    new TextEncoder().encode(text).length <= 255
  ),
);
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"))
  .filter((text) => !/^[A-Za-z]:/.test(text));
const bytes = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  { weight: 1, arbitrary: fc.nat(300_000).map((size) => new Uint8Array(size).fill(7)) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 4_000, maxLength: 9_000 }) },
);
const item: fc.Arbitrary<TreeItem | { kind: "link"; nth: number }> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("file"), bytes, executable: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "folder" } as const) },
  { weight: 2, arbitrary: fc.nat().map((nth) => ({ kind: "link", nth }) as const) },
) as fc.Arbitrary<TreeItem | { kind: "link"; nth: number }>;

const folded = (text: string) => text.normalize("NFKC").toLowerCase();

/** Those that can lie side by side in a program. */
function treeOf(items: readonly (readonly [string, TreeItem | { kind: "link"; nth: number }])[]) {
  const tree = new Map<string, TreeItem>([["main", {
    kind: "file",
    bytes: new Uint8Array(),
    executable: true,
  }]]);
  const taken = new Map<string, string>([["main", "main"]]);
  const folders = new Set<string>();
  for (const [path, item] of items) {
    const parts = path.split("/");
    const prefixes = parts.map((_, at) => parts.slice(0, at + 1).join("/"));
    const isClash = prefixes.some((prefix) => (taken.get(folded(prefix)) ?? prefix) !== prefix) ||
      prefixes.slice(0, -1).some((prefix) => tree.has(prefix)) || tree.has(path) ||
      folders.has(path);
    if (isClash) continue;
    for (const prefix of prefixes) taken.set(folded(prefix), prefix);
    for (const prefix of prefixes.slice(0, -1)) folders.add(prefix);
    tree.set(
      path,
      "nth" in item ? { kind: "link", to: linkFrom(path, [...tree.keys()], item.nth) } : item,
    );
  }
  return tree;
}

/** To something that is there already, so that no link leads in a circle. */
function linkFrom(path: string, there: readonly string[], nth: number): string {
  return posix.relative(posix.dirname(path), there[nth % there.length]!);
}

const trees = fc.array(fc.tuple(path, item), { maxLength: 12 }).map(treeOf);
const circumstances: fc.Arbitrary<Circumstances> = fc.record({
  modes: fc.tuple(
    fc.constantFrom(0o700, 0o711, 0o755, 0o777),
    fc.constantFrom(0o400, 0o600, 0o666),
  ),
  mtime: fc.integer({ min: 0, max: 4e9 }),
  isBackwards: fc.boolean(),
});

async function unpacked(zip: Uint8Array, dir: string): Promise<ProgramTree> {
  await unpackProgram(zip, dir);
  return await readTree(dir);
}

Deno.test("any folder packs and unpacks to itself, the same however it came to be", async () => {
  await fc.assert(
    fc.asyncProperty(trees, circumstances, async (tree, other) => {
      await inFolder(async (dir) => {
        const [one, two, out] = ["one", "two", "out"].map((name) => join(dir, name));
        await writeTree(one!, tree);
        await writeTree(two!, tree, other);
        const zip = await packProgram(one!);
        assert.deepEqual(linesOf(await unpacked(zip, out!)), linesOf(tree));
        assert.deepEqual(await packProgram(two!), zip);
        assert.deepEqual(await packProgram(out!), zip);
      });
    }),
    { numRuns: Number(Deno.env.get("KHACHAPURI_PACK_RUNS") ?? 40) },
  );
});

Deno.test("a folder keeps its cid from release to release", async () => {
  await inFolder(async (dir) => {
    await writeTree(join(dir, "program"), SAMPLE_TREE);
    const zip = await packProgram(join(dir, "program"));
    assert.equal(formatCid(importFile(zip).root), SAMPLE_CID);
  });
});

Deno.test("the time zone, the language and the umask of whoever packs make no difference", async () => {
  const script = join(import.meta.dirname!, "../../worlds/spec/pack_here.ts");
  const machines = [
    { umask: "077", TZ: "Pacific/Kiritimati", LC_ALL: "C" },
    { umask: "000", TZ: "America/St_Johns", LC_ALL: "tr_TR.UTF-8" },
  ];
  for (const { umask, ...env } of machines) {
    await inFolder(async (dir) => {
      const { stdout, stderr } = await new Deno.Command("sh", {
        args: [
          "-c",
          `umask ${umask}; exec "$0" run --quiet --frozen --no-check -A "$@"`,
          ...[Deno.execPath(), script, join(dir, "program")],
        ],
        env,
      }).output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
      assert.equal(text(stdout), SAMPLE_CID, text(stderr));
    });
  }
});

/** Names that a file system here takes, and a program's must not have. */
const HOSTILE: readonly [names: readonly string[], message: RegExp][] = [
  [["a\\b"], /^"a\\\\b" is no name that every system can unpack$/],
  [["a\nb"], /^"a\\nb" is no name/],
  [["\u001b[2J"], /^"\\u001b\[2J" is no name/],
  [["C:x"], /^"C:x" is no name/],
  [["a\u0085"], /is no name/],
  [["a", "A"], /"a" clashes with "A"/],
  [["ﬁ", "fi"], /"ﬁ" clashes with "fi"/],
  [["e\u0301", "é"], /clashes with/],
  [[`${"d".repeat(200)}/`.repeat(6) + "f"], /is no name/],
  [["d/".repeat(40) + "f"], /is no name/],
];

Deno.test("hostile names are refused by words", async () => {
  for (const [names, message] of HOSTILE) {
    await inFolder(async (dir) => {
      const program = join(dir, "program");
      const bytes = new Uint8Array();
      const items = names.map((name) =>
        [name, { kind: "file", bytes, executable: false }] as const
      );
      await writeTree(program, new Map<string, TreeItem>([...items]));
      await assert.rejects(packProgram(program), { code: "invalid_program", message });
    });
  }
});

Deno.test("a name that is not UTF-8 is refused, and can be left out by a pattern", async () => {
  await inFolder(async (dir) => {
    await Deno.writeTextFile(join(dir, "main"), "");
    await new Deno.Command("sh", { args: ["-c", "printf x > \"$(printf 'b\\377')\""], cwd: dir })
      .output();
    await assert.rejects(packProgram(dir), { message: /is no name that every system/ });
    await Deno.writeTextFile(join(dir, ".khachapuriignore"), "b*\n");
    await packProgram(dir);
  });
});
