/** The judgement of a start against the kernel's own, in the sandbox. */
import assert from "node:assert/strict";
import { openSandbox, type SandboxHost } from "../sandbox/sandbox.ts";
import { inFolder } from "../worlds/home.ts";
import { REFUSED, type StartCase, STARTED, writeProgramFile } from "../worlds/spec/start_cases.ts";

const HOST: SandboxHost = {
  launcher: "bwrap",
  runUid: Deno.uid() === 0 ? 1_800_000_000 : null,
};
const limits = { timeoutMs: 2_000, memoryMb: 64, stdoutBytes: 1e4, stderrBytes: 1e4 };

/** Whether it runs and ends well, whatever is thought of it before. */
async function endsWell({ files, mode, entrypoint = "./main", env = {} }: StartCase) {
  let isWell = false;
  await inFolder(async (dir) => {
    await Deno.chmod(dir, 0o755);
    for (const [name, content] of Object.entries(files)) {
      await writeProgramFile(dir, name, content, mode);
    }
    const sandbox = await openSandbox(HOST, { programDir: dir, limits });
    const run = await sandbox.run({ argv: [entrypoint], env, stdin: null });
    isWell = (await run.record).exit === 0;
    await sandbox.close();
  });
  return isWell;
}

Deno.test("what is refused does not start, and what is not refused does", async () => {
  for (const [name, program] of REFUSED) assert.equal(await endsWell(program), false, name);
  for (const [name, program] of STARTED) {
    // The headers without a program behind them are started, too, and crash.
    const isScript = Object.values(program.files).every((content) => typeof content === "string");
    if (isScript) assert.equal(await endsWell(program), true, name);
  }
});
