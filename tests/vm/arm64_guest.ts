/**
 * Runs inside the emulated arm64 machine, twice: `bare` without cgroups, where init has setsid made
 * as setpgid (sandbox/init/caller_aarch64.c), and `cgroups` with all of them.
 */
import assert from "node:assert/strict";
import { makeEtc } from "../../sandbox/etc.ts";
import { probeSandbox } from "../../sandbox/probe.ts";
import { openSandbox, type Sandbox, type SandboxHost } from "../../sandbox/sandbox.ts";
import { attackCases } from "./attacks.ts";
import { limitCases, limits } from "./limits.ts";
import { type Cases, tellCases } from "./told.ts";

const [label, ...words] = Deno.args as [string, ...string[]];
const HELPER = "/opt/khachapuri-init";
const KEYS = "/home/keys.json";
const OTHER = "/opt/server/server";

async function printed(sandbox: Sandbox, argv: string[]): Promise<string> {
  const run = await sandbox.run({ argv, env: {}, stdin: null });
  const text = await new Response(run.stdout()).text();
  const record = await run.record;
  assert.equal(record.exit, 0, `${JSON.stringify(record)} ${text}`);
  return text;
}

/** Resident memory of the processes of a sandbox that stands ready, KiB. */
async function residentKib(): Promise<string> {
  const script = "for p in /proc/[0-9]*; do case $(tr '\\0' ' ' <$p/cmdline) in " +
    "*/fd/4*inside*|*khachapuri-init*host*) " +
    "sed -n 's/^VmRSS:[^0-9]*//p' $p/status;; esac; done 2>/dev/null";
  const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", script] }).output();
  return new TextDecoder().decode(stdout).trim().replaceAll("\n", ", ");
}

function bareCases(host: SandboxHost, sandbox: Sandbox): Cases {
  return {
    async "this is arm64, and its helper is the one that the bundle carries"() {
      assert.equal(Deno.build.arch, "aarch64");
      const before = await Deno.stat(HELPER);
      const probe = await probeSandbox(host);
      assert(probe.ok, JSON.stringify(probe));
      assert.deepEqual(probe.missing, ["memory", "pids", "cpu"]);
      assert.equal((await Deno.stat(HELPER)).ino, before.ino, "it was written anew");
      return await printed(sandbox, ["abuse", "http://vm/x32"]).then(() => residentKib());
    },
    async "setsid makes a process group, tells the caller's pid and keeps all registers"() {
      const text = await printed(sandbox, ["sessions"]);
      assert.match(text, /^(child kept\n){20}done\n$/);
      return "20 times, of which 10 keep debuggers out";
    },
    async "sixty sessions get one share of the processors, and end in time"() {
      const timed = await openSandbox(host, {
        programDir: "/opt/abuse",
        limits: { ...limits, timeoutMs: 10_000 },
      });
      const run = await timed.run({
        argv: ["abuse", "http://vm/sessions?arg=60"],
        env: {},
        stdin: null,
      });
      await new Response(run.stdout()).text().catch(() => "");
      const { limit } = await run.record;
      await timed.close();
      assert.equal(limit, "timeout");
      return "timeout";
    },
  };
}

/** Those that were asked for. */
function chosen(cases: Cases): Cases {
  const isChosen = ([what]: [string, unknown]) =>
    words.length === 0 || words.some((word) => what.includes(word));
  return Object.fromEntries(Object.entries(cases).filter(isChosen));
}

const etc = makeEtc("/opt/etc");
const host: SandboxHost = {
  launcher: "bwrap",
  runUid: 1_800_000_000,
  helperPath: HELPER,
  etc,
};
const sandbox = await openSandbox(host, { programDir: "/opt/abuse", limits });
if (label === "bare") {
  await tellCases(label, chosen(bareCases(host, sandbox)));
} else {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const local = Deno.listen({ transport: "unix", path: "\0khachapuri-abuse" });
  const around = { keyFile: KEYS, otherProgram: OTHER, loopbackPort: listener.addr.port };
  const attacks = attackCases(host, "/opt/abuse/abuse", around);
  await tellCases(label, chosen({ ...limitCases(host, sandbox), ...attacks }));
  listener.close();
  local.close();
}
await sandbox.close();
