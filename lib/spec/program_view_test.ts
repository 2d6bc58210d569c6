import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { readProgram } from "./pack.ts";
import { listProgram } from "./program_listing.ts";
import { packedView, unpackedView } from "./program_view.ts";

const PATHS = [
  ...["", ".", "main", "./main", "main/", "main/x", "lib", "lib/tool", "lib/../main", "gone"],
  ...["up", "up/main", "chain", "dangling", "dangling/x", "deep/link", "deep/link/tool", "empty"],
  ...["lib/nothing", "empty/x", "deep/up"],
];

Deno.test("what is in memory is seen as what is unpacked, through links as the kernel follows them", async () => {
  await inFolder(async (folder) => {
    const dir = join(folder, "program");
    await Deno.mkdir(join(dir, "lib"), { recursive: true });
    await Deno.mkdir(join(dir, "deep"));
    await Deno.mkdir(join(dir, "empty"));
    await Deno.writeTextFile(join(dir, "main"), "#!/bin/sh\n", { mode: 0o755 });
    await Deno.writeTextFile(join(dir, "lib/tool"), "tool", { mode: 0o644 });
    const links = {
      up: ".",
      chain: "deep/link/tool",
      dangling: "lib/nothing",
      "deep/link": "../lib",
      "deep/up": "../up/lib/tool",
    };
    for (const [path, to] of Object.entries(links)) await Deno.symlink(to, join(dir, path));
    const unpacked = unpackedView(dir);
    const packed = packedView(await readProgram(dir, await listProgram(dir)));
    assert.deepEqual(await packed.names(), await unpacked.names());
    for (const path of PATHS) {
      const [ours, theirs] = [await packed.look(path), await unpacked.look(path)];
      assert.equal(await packed.has(path), await unpacked.has(path), path);
      // A folder's size is its file system's.
      assert.deepEqual(ours && { ...ours, size: 0 }, theirs && { ...theirs, size: 0 }, path);
      if (!ours?.isFile) continue;
      assert.equal(ours.size, theirs!.size);
      assert.deepEqual(await packed.read(path, 1, 5), await unpacked.read(path, 1, 5));
    }
  });
});
