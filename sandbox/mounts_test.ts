/** What the machine mounts below what a sandbox shows is as read-only as the rest of it. */
import assert from "node:assert/strict";
import { eachLauncher } from "../worlds/sandbox/launchers.ts";

const HOST = new URL("../worlds/sandbox/mounting_host.ts", import.meta.url).pathname;

eachLauncher(
  "filesystems mounted below the program's folder cannot be written to",
  async (launcher) => {
    if (Deno.uid() !== 0) { // deno-lint-ignore no-console
      return console.log("    only root may mount: NOT RUN");
    }
    const dir = await Deno.makeTempDir();
    await Deno.chmod(dir, 0o755);
    const host = { ...launcher, runUid: 1_840_000_000 };
    const { stdout } = await new Deno.Command("unshare", {
      args: [
        "--mount",
        "--propagation",
        "shared",
        Deno.execPath(),
        "run",
        "--no-check",
        "--allow-read",
        "--allow-write",
        "--allow-run",
        "--allow-sys=uid",
        HOST,
        dir,
        JSON.stringify(host),
      ],
      stderr: "inherit",
    }).output();
    await Deno.remove(dir, { recursive: true });
    const [before, after] = new TextDecoder().decode(stdout).trim().split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(before, { sees: ["early"], refusals: 2 });
    assert.deepEqual(after, before, "what is mounted later does not appear");
  },
);
