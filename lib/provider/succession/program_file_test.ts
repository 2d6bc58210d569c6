import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../../worlds/home.ts";
import { checkedProgramFile, markOf, programFile } from "./program_file.ts";

const inDir = (test: (file: string, dir: string) => Promise<void>) =>
  inFolder(async (dir) => {
    const file = join(dir, "khachapuri");
    await Deno.writeTextFile(file, "#!/bin/sh\n", { mode: 0o755 });
    await Deno.chmod(file, 0o755);
    await test(file, dir);
  });

Deno.test("a file of our own, or of root's, may be started in our stead", () =>
  inDir(async (file, dir) => {
    assert.equal(await checkedProgramFile(file), file);
    const link = join(dir, "link");
    await Deno.symlink(file, link);
    assert.equal(await checkedProgramFile(link), file, "without links");
    await Deno.chmod(dir, 0o1777);
    assert.equal(await checkedProgramFile(file), file, "only its owner replaces it there");
  }));

Deno.test("what somebody else could have written is refused by name", () =>
  inDir(async (file, dir) => {
    const uid = Deno.uid();
    for (const mode of [0o775, 0o757]) {
      await Deno.chmod(file, mode);
      await assert.rejects(checkedProgramFile(file), { code: "access_denied" }, mode.toString(8));
    }
    await Deno.chmod(file, 0o755);
    await Deno.chmod(dir, 0o777);
    await assert.rejects(checkedProgramFile(file), /can be written by others/);
    await Deno.chmod(dir, 0o755);
    if (uid !== 0) return;
    await Deno.chown(file, 1234, 1234);
    await assert.rejects(checkedProgramFile(file), /belongs to another user \(uid 1234\)/);
    await assert.rejects(checkedProgramFile(file, 5678), { code: "access_denied" });
  }));

Deno.test("what cannot be started is refused by name", () =>
  inDir(async (file, dir) => {
    await assert.rejects(checkedProgramFile("khachapuri"), /is no absolute path/);
    await assert.rejects(checkedProgramFile(join(dir, "none")), { code: "not_found" });
    await assert.rejects(checkedProgramFile(dir), { code: "file_unusable" });
    await Deno.chmod(file, 0o644);
    await assert.rejects(checkedProgramFile(file), { code: "file_unusable" });
  }));

Deno.test("another file in its place has another mark", () =>
  inDir(async (file) => {
    const mark = await markOf(file);
    assert.equal(await markOf(file), mark);
    await Deno.writeTextFile(`${file}.new`, "#!/bin/sh\n");
    await Deno.rename(`${file}.new`, file);
    assert.notEqual(await markOf(file), mark);
    assert.equal(await markOf(`${file}.none`), null);
  }));

Deno.test("the package says where its file is; the sources have none", () => {
  assert.equal(
    programFile({ env: () => "/usr/local/bin/khachapuri" }),
    "/usr/local/bin/khachapuri",
  );
  assert.equal(programFile({ env: () => undefined }), null);
});
