/** How a server that wants many shares of the processors gets one, where no cgroup sees to it. */
import assert from "node:assert/strict";
import { eachLauncher } from "../worlds/sandbox/launchers.ts";
import { TestServer } from "../worlds/sandbox/servers.ts";
import { prepareHost } from "./native.ts";
import { CONTROLLER } from "./protocol.ts";
import { pause } from "../lib/pause.ts";

const ROOT = "/sys/fs/cgroup/cpu";
const AUTOGROUPS = "/proc/sys/kernel/sched_autogroup_enabled";

const read = (path: string) => Deno.readTextFile(path).catch(() => "");
const { controllers } = await prepareHost({ launcher: "bwrap", runUid: null });
const isInRoot = /^\d+:(.*,)?cpu(,.*)?:\/$/m.test(await read("/proc/self/cgroup"));
const mayMove = Deno.uid() === 0 && isInRoot && (await read(AUTOGROUPS)).startsWith("1") &&
  (controllers & CONTROLLER.cpu) === 0;

/** What the priority of a server's threads is once six of them have wanted to run for a while. */
async function sunkPriority(launcher: Parameters<typeof TestServer.open>[0]): Promise<string> {
  await using server = await TestServer.open(launcher);
  for (let thread = 0; thread < 6; thread++) await server.ask("spin");
  await pause(500);
  return (await server.ask("priority")).split("\n")[0]!;
}

eachLauncher({
  name: mayMove
    ? "only in the root cgroup does its session give it one share; elsewhere its priority sinks"
    : "a session's share: NOT RUN, we are in no cgroup of version 1 that we could leave",
  ignore: !mayMove,
}, async (launcher) => {
  const folder = `${ROOT}/khachapuri-test-${Deno.pid}`;
  await Deno.mkdir(folder);
  try {
    await Deno.writeTextFile(`${folder}/cgroup.procs`, String(Deno.pid));
    assert.match(await sunkPriority(launcher), /^nice [1-9]/);
  } finally {
    await Deno.writeTextFile(`${ROOT}/cgroup.procs`, String(Deno.pid));
    await Deno.remove(folder);
  }
  assert.match(await sunkPriority(launcher), /^nice 0$/);
});
