/** What this machine has for programs that are servers: how they stand still, and their memory. */
import type { ProbeResult } from "../../../sandbox/probe.ts";
import type { ProviderConfig } from "../../config.ts";
import type { Look } from "./findings.ts";

const MIB = 1024 * 1024;

/** @param memoryBytes of the machine */
export function serverRoom(
  { instances, memoryMb }: Pick<ProviderConfig["sandbox"], "instances" | "memoryMb">,
  { enforced }: Pick<Extract<ProbeResult, { ok: true }>, "enforced">,
  memoryBytes: number,
): Look {
  if (instances === 0) return { detail: "none are taken: instances is 0" };
  const isByCgroup = enforced.length > 0;
  const means = isByCgroup ? "a cgroup freezes them" : "signals stop them";
  const detail = `${instances} instances of ${memoryMb} MiB at most; between requests ${means}`;
  const advice = isByCgroup ? [] : [
    "with cgroup v2 the kernel holds them still: here a program could go on, and is ended for it",
  ];
  const fitting = Math.floor(memoryBytes / MIB / memoryMb);
  if (fitting >= instances) return { detail, advice };
  return { detail, advice, hints: tooMany({ instances, memoryMb }, fitting, memoryBytes) };
}

function tooMany(
  { instances, memoryMb }: Pick<ProviderConfig["sandbox"], "instances" | "memoryMb">,
  fitting: number,
  memoryBytes: number,
): string[] {
  const [all, has] = [instances * memoryMb, Math.floor(memoryBytes / MIB)];
  return [
    `all at their limit they take ${all} MiB, and this machine has ${has}`,
    fitting === 0
      ? 'set a smaller "memoryMb" in provider.sandbox'
      : `"instances": ${fitting} in provider.sandbox fit, or more with a smaller "memoryMb"`,
  ];
}

/** Bytes of this machine's memory. */
export function machineMemory(): number {
  return Deno.systemMemoryInfo().total;
}
