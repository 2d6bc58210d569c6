/** A provider that death_test.ts kills while it starts a run. */
import { openSandbox } from "../../sandbox/sandbox.ts";

const [programDir, host] = Deno.args as [string, string];
const sandbox = await openSandbox(JSON.parse(host), {
  programDir,
  limits: { timeoutMs: 20_000, memoryMb: 64, stdoutBytes: 1e6, stderrBytes: 1e4 },
});
await Deno.stdout.write(new TextEncoder().encode("starting\n"));
const run = await sandbox.run({ argv: ["main"], env: {}, stdin: null });
await run.record;
