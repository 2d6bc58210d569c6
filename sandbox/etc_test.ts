import assert from "node:assert/strict";
import { join } from "node:path";
import { copyEtc } from "./etc.ts";

Deno.test("what everybody may read is copied as it is, links as links, and nothing else", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const root = join(dir, "machine");
    await Deno.mkdir(join(root, "ssl/certs/deep"), { recursive: true });
    await Deno.writeTextFile(join(root, "ssl/certs/deep/a"), "a");
    await Deno.symlink("/usr/share/b", join(root, "ssl/certs/b"));
    await Deno.writeTextFile(join(root, "ssl/certs/secret"), "s", { mode: 0o640 });
    await Deno.mkdir(join(root, "ssl/certs/hidden"), { mode: 0o700 });
    await Deno.writeTextFile(join(root, "cache"), "old");
    const to = join(dir, "etc");
    const paths = ["ssl/certs", "cache", "missing", "ssl/missing"].map((path) => join(root, path));
    for (const text of ["one", "two"]) {
      await Deno.writeTextFile(join(root, "cache"), text);
      assert.equal(await copyEtc(to, paths, root), to);
      assert.equal(await Deno.readTextFile(join(to, "cache")), text);
    }
    assert.equal(await Deno.readTextFile(join(to, "ssl/certs/deep/a")), "a");
    assert.equal(await Deno.readLink(join(to, "ssl/certs/b")), "/usr/share/b");
    const names = await Array.fromAsync(Deno.readDir(join(to, "ssl/certs")), ({ name }) => name);
    assert.deepEqual(names.sort(), ["b", "deep"]);
    const modes = ["", "ssl", "ssl/certs/deep/a"].map((path) =>
      Deno.statSync(join(to, path)).mode!
    );
    assert.deepEqual(modes.map((mode) => mode & 0o777), [0o755, 0o755, 0o644]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
