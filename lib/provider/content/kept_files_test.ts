import assert from "node:assert/strict";
import { join } from "node:path";
import { OTHER, OWNER } from "../../../worlds/content/push_world.ts";
import { inFolder } from "../../../worlds/home.ts";
import type { CidText } from "../../cid.ts";
import { diskBytesOf, KeptFiles } from "./kept_files.ts";

const ROOT = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" as CidText;

Deno.test("a part takes its root's name when it is kept, and is there no more", () =>
  inFolder(async (dir) => {
    const files = await KeptFiles.open(join(dir, "kept"));
    const part = { root: ROOT, owner: OWNER };
    {
      using file = await files.openPart(part);
      await file.write(new Uint8Array(100));
    }
    const before = await files.list();
    assert.deepEqual(before.parts.map(({ root, owner, bytes }) => ({ root, owner, bytes })), [
      { ...part, bytes: 100 },
    ]);
    assert.equal(before.cars.size, 0);
    await files.keep(part);
    const after = await files.list();
    assert.deepEqual([...after.cars], [[ROOT, 100]]);
    assert.deepEqual(after.parts, []);
    await files.removeCar(ROOT);
    assert.equal(await files.openCar(ROOT), null);
  }));

Deno.test("the folder is nobody else's, and what is gone may be removed again", () =>
  inFolder(async (dir) => {
    const path = join(dir, "kept");
    const files = await KeptFiles.open(path);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o700);
    await files.removeCar(ROOT);
    await files.removePart({ root: ROOT, owner: OTHER });
    await Deno.writeTextFile(join(path, "notes.txt"), "not ours");
    assert.deepEqual(await files.list(), { cars: new Map(), parts: [] });
  }));

Deno.test("a file takes whole blocks of the disk, an empty one too", () => {
  assert.deepEqual([0, 1, 4_096, 4_097].map(diskBytesOf), [4_096, 4_096, 4_096, 8_192]);
});
