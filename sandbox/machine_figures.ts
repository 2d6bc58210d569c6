/** What only the native helper can see of this process. */
import { helperPath, spawnHelper } from "./native.ts";
import type { SandboxHost } from "./policy.ts";

/** NaN: it is not known. */
export interface MachineFigures {
  readonly openDescriptors: number;
  readonly descriptorsMax: number;
  /** By its cgroup, with all that it starts. */
  readonly processesMax: number;
  readonly memoryMaxBytes: number;
}

/**
 * Starts the helper to look.
 * @throws KhachapuriError `sandbox_unavailable` where it cannot be started
 */
export async function machineFigures(host: SandboxHost): Promise<MachineFigures> {
  const child = spawnHelper(await helperPath(host), ["machine"]);
  await child.stdin.close();
  const { stdout } = await child.output();
  const lines = new TextDecoder().decode(stdout).split("\n").map((line) => line.split("="));
  const told = Object.fromEntries(lines);
  const figure = (name: keyof MachineFigures) => Number(told[name] ?? NaN);
  return {
    openDescriptors: figure("openDescriptors"),
    descriptorsMax: figure("descriptorsMax"),
    processesMax: figure("processesMax"),
    memoryMaxBytes: figure("memoryMaxBytes"),
  };
}
