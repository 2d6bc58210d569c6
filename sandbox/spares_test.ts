import assert from "node:assert/strict";
import { SPARE_DISTRUST_MS } from "../lib/limits_of_sandboxes.ts";
import { pause } from "../lib/pause.ts";
import { eachLauncher } from "../worlds/sandbox/launchers.ts";
import { livingProcesses } from "../worlds/processes.ts";
import { openByWay, readySpares } from "../worlds/sandbox/ways.ts";
import { makeEtc } from "./etc.ts";
import { spareArguments } from "./launch.ts";
import { helperPath, spawnHelper } from "./native.ts";
import { encodeOrder, encodeSetup } from "./protocol.ts";
import { openSandbox, type Sandbox, type SandboxHost } from "./sandbox.ts";
import { sessionSetup } from "./setup.ts";
import { Spares } from "./spares.ts";
import { runUidsInUse } from "./uid.ts";

const runUid = Deno.uid() === 0 ? 1_860_000_000 : null;
const limits = { timeoutMs: 5_000, memoryMb: 256, stdoutBytes: 1e6, stderrBytes: 1e4 };
const EGRESS = {
  hosts: ["api.test:80"],
  overrides: {},
  connections: 4,
  connectionsPerSecond: 10,
  bytesPerSecond: 1e6,
  connectMs: 1_000,
  idleMs: 1_000,
};

/** A folder of programs, as a provider has it: who knows a name may enter, nobody may list. */
async function programs(scripts: Record<string, string>) {
  const dir = await Deno.makeTempDir();
  for (const [name, script] of Object.entries(scripts)) {
    await Deno.mkdir(`${dir}/${name}`);
    await Deno.chmod(`${dir}/${name}`, 0o755);
    await Deno.writeTextFile(`${dir}/${name}/main`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  await Deno.chmod(dir, 0o711);
  return { dir, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

async function says(sandbox: Sandbox, argv = ["main"]): Promise<string> {
  const run = await sandbox.run({ argv, env: {}, stdin: null });
  const text = await new Response(run.stdout()).text();
  await run.record;
  return text;
}

const MOUNTS = "cut -d' ' -f5,6 /proc/self/mountinfo | sort -u";

eachLauncher("a spare shows what a fresh one does, mounted as it is there", async (launcher) => {
  const look = `${MOUNTS}; pwd; ls / /dev /app /app/..; id; hostname; ls /proc/self/fd | wc -l`;
  await using world = await programs({ one: look, other: "echo other" });
  const policy = { programDir: `${world.dir}/one`, limits };
  const seen = [];
  for (const isSpare of [false, true]) {
    const sandbox = await openByWay({ ...launcher, runUid, isSpare }, policy);
    seen.push(await says(sandbox));
    await sandbox.close();
  }
  assert.match(seen[0]!, /^\/app ro,nosuid/m, "the control sees its mounts");
  assert.equal(seen[1], seen[0]);
});

eachLauncher("no way leads from a spare's program to those beside it", async (launcher) => {
  const reach = `cd /app; for to in "$@"; do cat "$to" 2>/dev/null | grep -o secret; done
    for pid in 1 $$; do for way in cwd root; do ls /proc/$pid/$way/ | grep other; done; done
    umount /app 2>&1 | grep -c ermi; umount -l /app 2>/dev/null && cat other/main`;
  await using world = await programs({ one: reach, other: "echo secret" });
  const host = { ...launcher, runUid };
  const ways = ["other/main", "../other/main", "/app/../other/main", "/proc/1/cwd/other/main"];
  const policy = { programDir: `${world.dir}/one`, limits };
  const sandbox = await openByWay({ ...host, isSpare: true }, policy);
  const argv = ["main", ...ways, `${world.dir}/other/main`];
  assert.doesNotMatch(await says(sandbox, argv), /secret|other/);
  await sandbox.close();
  const control = await openSandbox(host, { programDir: world.dir, limits });
  assert.match(await says(control, ["one/main", ...ways]), /^secret$/m, "had it been shown");
  await control.close();
});

eachLauncher("a spare takes its deployment's memory and way out", async (launcher) => {
  const take = "python3 -c 'x = bytearray(100 << 20); print(len(x) >> 20)'";
  await using world = await programs({ one: `getent hosts api.test; ${take}` });
  const policy = { programDir: `${world.dir}/one`, limits };
  await Deno.mkdir(`${world.dir}/made`);
  const etc = makeEtc(`${world.dir}/made/etc`);
  const host = { ...launcher, runUid, etc, isSpare: true };
  const roomy = await openByWay(host, { ...policy, egress: EGRESS });
  assert.match(await says(roomy), /api\.test[^]*100/);
  await roomy.close();
  const small = await openByWay(host, { ...policy, limits: { ...limits, memoryMb: 32 } });
  const run = await small.run({ argv: ["main"], env: {}, stdin: null });
  await assert.rejects(new Response(run.stdout()).text(), { code: "program_limit" });
  assert.equal((await run.record).limit, "memory");
  await small.close();
});

Deno.test("a program's folder that is a link, or no name, is not shown", async () => {
  await using world = await programs({ one: "echo shown", other: "echo secret" });
  await Deno.symlink("other", `${world.dir}/link`);
  const host: SandboxHost = { launcher: "bwrap", runUid };
  for (const [program, shown] of [["one", 1], ["link", 0], ["../etc", 0], [".", 0]] as const) {
    const callsOut = false;
    const args = spareArguments(host, { programs: world.dir, callsOut }, runUid);
    const child = spawnHelper(await helperPath(host), args);
    const writer = child.stdin.getWriter();
    await writer.write(encodeOrder(1 << 26, 0));
    const policy = { programDir: "/", limits };
    await writer.write(encodeSetup({ ...sessionSetup(policy, 0), program }));
    const said = new Response(child.stderr).text();
    const { value } = await child.stdout.getReader().read();
    assert.equal(value !== undefined, shown === 1, `${program}: ${shown ? "" : await said}`);
    await writer.close().catch(() => {});
    await child.status;
    await said;
  }
});

Deno.test("one of each kind stands ready, no more than are wanted", async () => {
  await using world = await programs({ one: "echo one" });
  const host: SandboxHost = { launcher: "bwrap", runUid };
  const policy = { programDir: `${world.dir}/one`, limits };
  let mayStart = true;
  const options = { host, programs: world.dir, most: 2, mayStart: () => mayStart };
  const spares = new Spares(options);
  assert.equal(spares.take({ ...policy, programDir: "/usr" }), null);
  await spares.started();
  assert.equal(spares.count(), 0, "what lies elsewhere asks for none");
  for (const egress of [null, EGRESS, null, EGRESS]) {
    const taken = spares.take({ ...policy, egress });
    await spares.started();
    if (taken === null) continue;
    await openSandbox(host, { ...policy, egress }, () => {}, { take: () => taken })
      .then((sandbox) => sandbox.close());
  }
  assert.equal(spares.count(), 2);
  mayStart = false;
  const last = spares.take(policy)!;
  await spares.started();
  assert.equal(spares.count(), 1, "the machine has no room");
  await openSandbox(host, policy, () => {}, { take: () => last })
    .then((sandbox) => sandbox.close());
  await spares.close();
  assert.equal(spares.count(), 0);
  assert.equal(spares.take(policy), null);
  assert.deepEqual(runUidsInUse(), []);
  assert.equal(await livingProcesses(`bwrap.*${world.dir}`), "");
});

Deno.test("a spare whose deployment cannot be set up is ended, or stays", async () => {
  await using world = await programs({ one: "echo one" });
  const host: SandboxHost = { launcher: "bwrap", runUid };
  const policy = { programDir: `${world.dir}/one`, limits };
  const spares = await readySpares(host, policy);
  const wrong = (limit: object) => ({ ...policy, limits: { ...limits, ...limit } });
  const open = (limit: object) => openSandbox(host, wrong(limit), () => {}, spares);
  await assert.rejects(open({ memoryMb: 0.3 }), RangeError);
  assert.equal(spares.count(), 1, "it stays, where it was not taken");
  await assert.rejects(open({ stdoutBytes: 0.5 }), RangeError);
  await spares.close();
  assert.deepEqual(runUidsInUse(), []);
  assert.equal(await livingProcesses(`bwrap.*${world.dir}`), "");
  await assert.rejects(openSandbox(host, wrong({ stdoutBytes: 0.5 })), RangeError);
  assert.equal(await livingProcesses(`bwrap.*${world.dir}`), "", "and none is started for it");
});

Deno.test("one that died is not given away; after one that took no program none is for a while", async () => {
  await using world = await programs({ one: "echo one" });
  const host: SandboxHost = { launcher: "bwrap", runUid };
  const policy = { programDir: `${world.dir}/one`, limits };
  let now = 0;
  const options = { host, programs: world.dir, most: 1, mayStart: () => true, now: () => now };
  const dead = new Spares({ ...options, host: { ...host, launcherPath: "/bin/false" } });
  dead.take(policy);
  await dead.started();
  while (dead.count() > 0) await pause(1);
  assert.equal(dead.take(policy), null);
  await dead.close();

  const spares = await readySpares(host, policy);
  await spares.close();
  const wary = new Spares(options);
  wary.take(policy);
  await wary.started();
  const gone = { ...policy, programDir: `${world.dir}/gone` };
  const sandbox = await openSandbox(host, gone, () => {}, wary);
  const run = await sandbox.run({ argv: ["main"], env: {}, stdin: null });
  await assert.rejects(run.record, { code: "sandbox_unavailable" });
  await sandbox.close();
  await wary.started();
  assert.equal(wary.take(policy), null);
  await wary.started();
  assert.equal(wary.count(), 0, "none is started");
  now += SPARE_DISTRUST_MS + 1;
  wary.take(policy);
  await wary.started();
  assert.equal(wary.count(), 1);
  await wary.close();
});
