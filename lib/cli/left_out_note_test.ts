import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import type { Output } from "./output.ts";
import { noteLeftOut } from "./left_out_note.ts";

/** What is said of a folder with files of these paths and sizes. */
async function saidOf(files: Readonly<Record<string, number>>): Promise<string[]> {
  const notes: string[] = [];
  const out = { note: (text: string) => void notes.push(text) } as Output;
  await inFolder(async (dir) => {
    for (const [path, size] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(dir, path)), { recursive: true });
      await Deno.writeFile(join(dir, path), new Uint8Array(size));
    }
    await noteLeftOut({ out }, dir);
  });
  return notes;
}

Deno.test("what is left out is said in one line, with how much it is", async () => {
  const said = await saidOf({
    main: 1,
    ".git/HEAD": 20,
    ".git/objects/pack/one": 2_400_000,
    "a/__pycache__/a.pyc": 5,
    "b/__pycache__/b.pyc": 5,
  });
  assert.deepEqual(said, [
    "left out: .git, 2 __pycache__ (2 MB); a line !.git in .khachapuriignore would pack .git",
  ]);
});

Deno.test("of a folder with nothing of the kind, or that is none, nothing is said", async () => {
  assert.deepEqual(await saidOf({ main: 1, ".github/x": 1 }), []);
  assert.deepEqual(await saidOf({}), []);
});

Deno.test("a history of very many files is not counted to its end", async () => {
  const objects = Array.from({ length: 10_001 }, (_, at) => [`.git/objects/${at}`, 0] as const);
  const [said] = await saidOf({ main: 1, ".git/HEAD": 1, ...Object.fromEntries(objects) });
  assert.match(said!, /^left out: \.git \(more than \d+ kB\)/);
});
