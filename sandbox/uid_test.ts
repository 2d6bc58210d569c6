import assert from "node:assert/strict";
import { RUN_UIDS_MAX } from "../lib/limits.ts";
import { shell } from "../worlds/sandbox/relays.ts";
import { hostArguments } from "./launch.ts";
import { helperPath } from "./native.ts";
import { Session } from "./session.ts";
import { encodeSetup } from "./protocol.ts";
import { sessionSetup } from "./setup.ts";
import { takeRunUid } from "./uid.ts";

const limits = { timeoutMs: 20_000, memoryMb: 64, stdoutBytes: 1_000, stderrBytes: 1_000 };

Deno.test("two open sandboxes never share a uid, and a closed one's is used again", () => {
  const first = 1_900_000_000;
  const all = Array.from({ length: RUN_UIDS_MAX }, () => takeRunUid(first));
  assert.equal(new Set(all.map(({ number }) => number)).size, RUN_UIDS_MAX);
  assert.throws(() => takeRunUid(first), { code: "overloaded" });
  all[5]!.giveBack();
  assert.equal(takeRunUid(first).number, all[5]!.number);
  all.forEach((uid) => uid.giveBack());
});

Deno.test("an unprivileged provider's programs run as itself", () => {
  assert.equal(takeRunUid(null).number, null);
});

const CAPABILITIES = "+setuid,+setgid,+setpcap,+kill";
const PROVIDER = 1_870_000_000;
const PROGRAMS = 1_870_000_001;

/** The helper as a service's user starts it, with capabilities (the unit of `init`) or without. */
function serviceCommand(capabilities: string | null, args: readonly string[]): Deno.Command {
  const own = capabilities ? ["--inh-caps", capabilities, "--ambient-caps", capabilities] : [];
  const who = ["--reuid", `${PROVIDER}`, "--regid", `${PROVIDER}`, "--clear-groups"];
  const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const all = [...who, ...own, "--no-new-privs", ...args];
  return new Deno.Command("setpriv", { args: all, clearEnv: true, cwd: "/", ...pipes });
}

Deno.test({
  name: "a service with the capabilities for it has programs run as another uid, without cannot",
  ignore: Deno.uid() !== 0,
  async fn() {
    const dir = await Deno.makeTempDir();
    await Deno.chmod(dir, 0o755);
    const helper = `${dir}/helper`;
    await Deno.copyFile(await helperPath({}), helper);
    const prepared = async (capabilities: string | null) => {
      const child = serviceCommand(capabilities, [helper, "prepare"]).spawn();
      await child.stdin.close();
      return /^choosesUid=(\d)$/m.exec(new TextDecoder().decode((await child.output()).stdout))
        ?.[1];
    };
    assert.deepEqual([await prepared(CAPABILITIES), await prepared(null)], ["1", "0"]);
    assert.equal(await prepared("+setuid,+setgid,+setpcap"), "0", "it could not kill them");

    const policy = { programDir: "/usr/bin", limits };
    const uidOf = async (capabilities: string | null, runUid: number | null) => {
      const args = hostArguments({ launcher: "bwrap", runUid }, policy, runUid);
      const child = serviceCommand(capabilities, [helper, ...args]).spawn();
      const session = new Session(child, encodeSetup(sessionSetup(policy, 0)));
      const seconds = `9${crypto.getRandomValues(new Uint32Array(1))[0]}`;
      const run = session.start({ argv: ["./sleep", seconds], env: [], stdin: null, limits });
      const uid = await shell(`until pgrep -fx './sleep ${seconds}' > ${dir}/pid; do :; done
        ps -o uid= -p $(cat ${dir}/pid)`);
      await session.close();
      await assert.rejects(run.record, { code: "sandbox_unavailable" });
      return Number(uid);
    };
    assert.equal(await uidOf(CAPABILITIES, PROGRAMS), PROGRAMS);
    // The control: what the kernel counts for each uid is then one count for both.
    assert.equal(await uidOf(null, null), PROVIDER);
    await Deno.remove(dir, { recursive: true });
  },
});
