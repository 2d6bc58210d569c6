import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../../worlds/home.ts";
import { readLastSession, writeLastSession } from "./last_session.ts";

Deno.test("the session that was written last is read, and none where there is none", async () => {
  await inFolder(async (dir) => {
    const path = join(dir, "session");
    assert.equal(await readLastSession(path), null);
    await writeLastSession(path, 12);
    await writeLastSession(path, 7);
    assert.equal(await readLastSession(path), 7);
    for (const damaged of ["", "7.5\n", "-3", "a session"]) {
      await Deno.writeTextFile(path, damaged);
      assert.equal(await readLastSession(path), null, damaged);
    }
  });
});
