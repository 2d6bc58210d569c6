import assert from "node:assert/strict";
import { machineMemory, serverRoom } from "./server_room.ts";

const MIB = 1024 * 1024;
const CGROUP = { enforced: ["memory", "pids"] } as const;
const NO_CGROUP = { enforced: [] } as const;

Deno.test("how instances are held still is told, and what would be better", () => {
  const settings = { instances: 4, memoryMb: 512 };
  assert.deepEqual(serverRoom(settings, CGROUP, 4 * 512 * MIB), {
    detail: "4 instances of 512 MiB at most; between requests a cgroup freezes them",
    advice: [],
  });
  const { detail, hints, advice } = serverRoom(settings, NO_CGROUP, 1024 * 1024 * MIB);
  assert.match(detail, /between requests signals stop them$/);
  assert.equal(hints, undefined, "it is good without");
  assert.match(advice!.join(), /cgroup v2/);
});

Deno.test("instances that the machine has no memory for are worth a word, with how many fit", () => {
  const { hints } = serverRoom({ instances: 64, memoryMb: 512 }, CGROUP, 8_000 * MIB);
  assert.deepEqual(hints, [
    "all at their limit they take 32768 MiB, and this machine has 8000",
    '"instances": 15 in provider.sandbox fit, or more with a smaller "memoryMb"',
  ]);
  const none = serverRoom({ instances: 1, memoryMb: 512 }, CGROUP, 256 * MIB).hints!;
  assert.deepEqual(none[1], 'set a smaller "memoryMb" in provider.sandbox');
});

Deno.test("a provider that takes no servers is told so, whatever the machine", () => {
  const { detail, hints } = serverRoom({ instances: 0, memoryMb: 512 }, NO_CGROUP, MIB);
  assert.deepEqual([detail, hints], ["none are taken: instances is 0", undefined]);
});

Deno.test("the machine's memory is what the kernel says", async () => {
  const { stdout } = await new Deno.Command("cat", { args: ["/proc/meminfo"] }).output();
  const [, kib] = /^MemTotal:\s+(\d+) kB$/m.exec(new TextDecoder().decode(stdout))!;
  assert.equal(machineMemory(), Number(kib) * 1024);
});
