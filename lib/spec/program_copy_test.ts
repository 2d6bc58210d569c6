import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { packProgram } from "./pack.ts";
import { copyProgram, type ProgramCopy } from "./program_copy.ts";
import { unpackProgram } from "./unpack.ts";

/** All that is in a folder: modes, links and contents, by path. */
async function contents(dir: string, at = ""): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(join(dir, at))) {
    const path = join(at, name);
    const { mode } = await Deno.lstat(join(dir, path));
    const what = isSymlink
      ? await Deno.readLink(join(dir, path))
      : isDirectory
      ? ""
      : await Deno.readTextFile(join(dir, path));
    found[path] = `${((mode ?? 0) & 0o7777).toString(8)} ${what}`;
    if (isDirectory) Object.assign(found, await contents(dir, path));
  }
  return found;
}

async function program(dir: string): Promise<string> {
  const from = join(dir, "from");
  await Deno.mkdir(join(from, "lib/empty"), { recursive: true });
  await Deno.mkdir(join(from, ".git"));
  await Deno.writeTextFile(join(from, ".git/HEAD"), "ref");
  await Deno.writeTextFile(join(from, "main"), "#!/bin/sh\n", { mode: 0o700 });
  await Deno.writeTextFile(join(from, "lib/data"), "data", { mode: 0o600 });
  await Deno.writeTextFile(join(from, "left.log"), "out");
  await Deno.writeTextFile(join(from, ".khachapuriignore"), "*.log\n");
  await Deno.symlink("lib/data", join(from, "link"));
  return from;
}

async function copied(from: string, dir: string): Promise<ProgramCopy> {
  return (await copyProgram(from, join(dir, crypto.randomUUID()), null))!;
}

const inode = async (path: string) => (await Deno.stat(path)).ino;

Deno.test("a copy is what unpacking the packed folder gives", async () => {
  await inFolder(async (dir) => {
    const from = await program(dir);
    await unpackProgram(await packProgram(from), join(dir, "unpacked"));
    await copyProgram(from, join(dir, "copy"), null);
    assert.deepEqual(await contents(join(dir, "copy")), await contents(join(dir, "unpacked")));
    assert.equal((await contents(join(dir, "copy"))).main, "755 #!/bin/sh\n");
  });
});

Deno.test("files that have not changed are linked, others copied, what is gone is gone", async () => {
  await inFolder(async (dir) => {
    const from = await program(dir);
    const first = await copied(from, dir);
    await Deno.writeTextFile(join(from, "main"), "#!/bin/sh -e\n");
    await Deno.remove(join(from, "link"));
    // Saved with what was in it.
    await Deno.writeTextFile(join(from, "lib/data"), "data");
    const second = (await copyProgram(from, join(dir, "second"), first))!;
    const data = "lib/data";
    assert.equal(await inode(join(second.dir, data)), await inode(join(first.dir, data)));
    assert.equal(await Deno.readTextFile(join(second.dir, "main")), "#!/bin/sh -e\n");
    assert.equal(await Deno.readTextFile(join(first.dir, "main")), "#!/bin/sh\n");
    assert.deepEqual(Object.keys(await contents(second.dir)).sort(), [
      "lib",
      "lib/data",
      "lib/empty",
      "main",
    ]);
  });
});

Deno.test("each kind of change is seen, also one that leaves size and time as they were", async () => {
  await inFolder(async (dir) => {
    const from = await program(dir);
    const changes: (() => Promise<void>)[] = [
      () => Deno.chmod(join(from, "main"), 0o600),
      () => Deno.mkdir(join(from, "new")),
      () => Deno.remove(join(from, "lib/empty")),
      () => Deno.rename(join(from, "lib/data"), join(from, "lib/other")),
      async () => {
        const { mtime } = await Deno.stat(join(from, "main"));
        await Deno.writeTextFile(join(from, "main"), "#!/bin/ps\n");
        await Deno.utime(join(from, "main"), mtime!, mtime!);
      },
    ];
    await Deno.remove(join(from, "link"));
    for (const change of changes) {
      const before = await copied(from, dir);
      await change();
      const after = await copyProgram(from, join(dir, crypto.randomUUID()), before);
      assert.notEqual(after, null, String(change));
      assert.notDeepEqual(await contents(after!.dir), await contents(before.dir));
    }
  });
});

Deno.test("what could not be packed is not copied", async () => {
  await inFolder(async (dir) => {
    const from = await program(dir);
    const to = join(dir, "to");
    await assert.rejects(copyProgram(join(dir, "none"), to, null), { code: "not_found" });
    await Deno.writeTextFile(join(from, "MAIN"), "");
    await assert.rejects(copyProgram(from, to, null), {
      code: "invalid_program",
      message: /clashes with/,
    });
    await Deno.remove(join(from, "MAIN"));
    await Deno.symlink("/etc/passwd", join(from, "out"));
    await assert.rejects(copyProgram(from, to, null), { code: "invalid_program" });
  });
});
