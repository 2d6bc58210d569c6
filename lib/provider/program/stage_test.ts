import assert from "node:assert/strict";
import { join } from "node:path";
import type { SandboxHost } from "../../../sandbox/sandbox.ts";
import { SMALL_PROGRAM } from "../../../worlds/sandbox/small_program.ts";
import { sandboxOf } from "./interface/interface.ts";
import { openBackstage, openStage, wholeTimeMs } from "./stage.ts";

const HOST: SandboxHost = {
  launcher: "bwrap",
  runUid: Deno.uid() === 0 ? 1_800_000_000 : null,
};
const PROGRAM = { ...SMALL_PROGRAM, entrypoint: "main" };

Deno.test("what is unpacked backstage runs, whoever the sandbox runs as, and is gone after", async () => {
  let dir = "";
  {
    await using backstage = await openBackstage(HOST);
    dir = backstage.place();
    assert.notEqual(backstage.place(), dir);
    await Deno.mkdir(dir, { mode: 0o755 });
    await Deno.writeTextFile(join(dir, "main"), "#!/bin/sh\necho ok\n", { mode: 0o755 });
    const workplace = await openStage(backstage, dir, PROGRAM, "run");
    const sandbox = sandboxOf(await workplace.take());
    const run = await sandbox.run({ argv: ["main"], env: {}, stdin: null });
    assert.equal(await new Response(run.stdout()).text(), "ok\n");
    await workplace.close();
    await assert.rejects(openStage(backstage, dir, { ...PROGRAM, entrypoint: "other" }, "run"), {
      code: "invalid_program",
      message: "the program has no file other",
    });
  }
  await assert.rejects(Deno.stat(join(dir, "..")), Deno.errors.NotFound);
});

Deno.test("a run has the time of all its credits at once, if a timer can count it", async () => {
  assert.equal(wholeTimeMs({ timeoutMs: 15_000 }), 15_000);
  assert.equal(wholeTimeMs({ timeoutMs: 15_000, credits: 4 }), 60_000);
  assert.equal(wholeTimeMs({ timeoutMs: 900_000, credits: 10_000 }), 2 ** 31 - 1);
  await using backstage = await openBackstage(HOST);
  const dir = backstage.place();
  await Deno.mkdir(dir, { mode: 0o755 });
  await Deno.writeTextFile(join(dir, "main"), "#!/bin/sh\n", { mode: 0o755 });
  const workplace = await openStage(backstage, dir, { ...PROGRAM, credits: 3 }, "run");
  const { limits } = await workplace.take();
  assert.deepEqual([limits.timeoutMs, limits.credits], [15_000, 1]);
  await workplace.close();
});
