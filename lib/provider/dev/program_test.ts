import assert from "node:assert/strict";
import { join } from "node:path";
import type { SandboxHost } from "../../../sandbox/sandbox.ts";
import { inFolder } from "../../../worlds/home.ts";
import { SMALL_PROGRAM } from "../../../worlds/sandbox/small_program.ts";
import { sandboxOf } from "../program/interface/interface.ts";
import { openBackstage, type StagedProgram } from "../program/stage.ts";
import { ProgramFolder, type ProgramVersion } from "./program.ts";

const HOST: SandboxHost = {
  launcher: "bwrap",
  runUid: Deno.uid() === 0 ? 1_800_000_000 : null,
};
const PROGRAM: StagedProgram = {
  ...SMALL_PROGRAM,
  args: ["own"],
  env: { A: "b" },
  interface: "cgi",
};

const deaf = () => ({ hear() {}, close() {} });

async function said({ workplace }: ProgramVersion): Promise<string> {
  const sandbox = sandboxOf(await workplace.take());
  const run = await sandbox.run({ argv: ["main"], env: {}, stdin: null });
  return await new Response(run.stdout()).text();
}

Deno.test("each change of the folder, or of how it is run, is a version of its own", async () => {
  await inFolder(async (dir) => {
    const write = (text: string, mode = 0o755) =>
      Deno.writeTextFile(join(dir, "main"), `#!/bin/sh\necho ${text}\n`, { mode });
    await write("one");
    let program = PROGRAM;
    let places = "";
    {
      await using backstage = await openBackstage(HOST);
      places = join(backstage.place(), "..");
      const held = async () => (await Array.fromAsync(Deno.readDir(places))).length;
      const folder = new ProgramFolder(backstage, dir, () => Promise.resolve(program), deaf);
      const none = await held();
      const first = (await folder.build())!;
      const { spec, cid } = first.deployment;
      assert.deepEqual([spec.program.args, spec.env], [["own"], { A: "b" }]);
      assert.deepEqual([spec.interface, spec.limits.timeoutMs, spec.egress], ["cgi", 5_000, []]);
      await write("two");
      const second = (await folder.build())!;
      assert.deepEqual([await said(first), await said(second)], ["one\n", "two\n"]);
      assert.notEqual(second.deployment.spec.id, spec.id);
      assert.equal(second.deployment.cid, cid);
      assert.equal(await held(), none + 2);
      await first[Symbol.asyncDispose]();
      assert.equal(await held(), none + 1);
      program = { ...PROGRAM, env: { A: "c" } };
      const third = (await folder.build())!;
      assert.equal(third.deployment.spec.env.A, "c");
      await Deno.chmod(join(dir, "main"), 0o644);
      await assert.rejects(folder.build(), { message: "main is not executable" });
      await Deno.chmod(join(dir, "main"), 0o755);
      const fourth = (await folder.build())!;
      assert.equal(await said(fourth), "two\n");
      for (const version of [second, third, fourth]) await version[Symbol.asyncDispose]();
      assert.equal(await held(), none + 1);
    }
    await assert.rejects(Deno.stat(places), Deno.errors.NotFound);
  });
});

Deno.test("what has not changed is no version, and one after a fault is", async () => {
  await inFolder(async (dir) => {
    const main = join(dir, "main");
    await Deno.writeTextFile(main, "#!/bin/sh\n", { mode: 0o755 });
    await using backstage = await openBackstage(HOST);
    let fault: Error | null = null;
    const folder = new ProgramFolder(backstage, dir, () => {
      return fault ? Promise.reject(fault) : Promise.resolve(PROGRAM);
    }, deaf);
    const first = (await folder.build())!;
    assert.equal(await folder.build(), null);
    await Deno.writeTextFile(main, "#!/bin/sh\n");
    assert.equal(await folder.build(), null);
    fault = new Error("no such file");
    await assert.rejects(folder.build(), fault);
    fault = null;
    const mended = await folder.build();
    assert.ok(mended);
    for (const version of [first, mended]) await version[Symbol.asyncDispose]();
  });
});

/** A Python server of its own folder, once it is told where. */
const SERVER: StagedProgram = { ...PROGRAM, interface: "http", args: [], memoryMb: 128 };

Deno.test("a server is started when it is built, and what it prints is heard", async () => {
  await inFolder(async (dir) => {
    const main = "#!/bin/sh\necho starting\nexec python3 -m http.server $PORT\n";
    await Deno.writeTextFile(join(dir, "main"), main, { mode: 0o755 });
    await using backstage = await openBackstage(HOST);
    let heard = "";
    const onRun = () => ({
      hear: (bytes: Uint8Array) => void (heard += new TextDecoder().decode(bytes)),
      close: () => void (heard += "(closed)"),
    });
    const folder = new ProgramFolder(backstage, dir, () => Promise.resolve(SERVER), onRun);
    const version = (await folder.build())!;
    const { instances } = version.workplace.view()!;
    assert.equal(instances.length, 1);
    assert.match(heard, /^starting\n/);
    version.retire();
    await assert.rejects(async () => await version.workplace.take(), {
      code: "sandbox_unavailable",
    });
    await version[Symbol.asyncDispose]();
    assert.match(heard, /\(closed\)$/);
    await Deno.writeTextFile(join(dir, "main"), "#!/bin/sh\necho broken\nexit 3\n");
    await assert.rejects(folder.build(), { code: "program_failed" });
    assert.match(heard, /broken\n\(closed\)$/);
  });
});
