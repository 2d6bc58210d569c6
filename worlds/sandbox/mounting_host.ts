/**
 * Mounts filesystems that anyone may write to below a program's folder, one before its sandbox is
 * opened and one after, and prints what the program could write to. In a mount namespace of its
 * own, with shared propagation as systemd has it: mounts_test.ts sees to that.
 */
import { openSandbox } from "../../sandbox/sandbox.ts";

const [dir, host] = Deno.args as [string, string];
const TRY = "#!/bin/sh\nfor d in early late; do mountpoint -q $d && echo $d; echo x >$d/x; done\n";

async function mount(name: string): Promise<void> {
  const args = ["-t", "tmpfs", "-o", "mode=777", "none", `${dir}/${name}`];
  await new Deno.Command("mount", { args }).spawn().status;
}

for (const name of ["early", "late"]) await Deno.mkdir(`${dir}/${name}`);
await Deno.writeTextFile(`${dir}/main`, TRY, { mode: 0o755 });
await mount("early");
const sandbox = await openSandbox(JSON.parse(host), {
  programDir: dir,
  limits: { timeoutMs: 5_000, memoryMb: 64, stdoutBytes: 1e4, stderrBytes: 1e4 },
});
for (let run = 0; run < 2; run++) {
  const { stdout, record } = await sandbox.run({ argv: ["main"], env: {}, stdin: null });
  const sees = (await new Response(stdout()).text()).trim().split("\n");
  const { stderr } = await record;
  // deno-lint-ignore no-console
  console.log(
    JSON.stringify({
      sees,
      refusals: new TextDecoder().decode(stderr).match(/Read-only/g)?.length,
    }),
  );
  if (run === 0) await mount("late");
}
await sandbox.close();
