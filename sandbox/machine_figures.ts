/** What only the native helper can see of this process and its machine. */
import { helperPath, spawnHelper } from "./native.ts";
import type { SandboxHost } from "./policy.ts";

/** NaN: it is not known. */
export interface MachineFigures {
  /** Of this process. */
  readonly openDescriptors: number;
  readonly descriptorsMax: number;
  /** Of the disk that a path is on; free is what a process without privileges may use. */
  readonly diskFreeBytes: number;
  readonly diskBytes: number;
}

/**
 * Starts the helper to look.
 * @throws KhachapuriError `sandbox_unavailable` where it cannot be started
 */
export async function machineFigures(host: SandboxHost, path: string): Promise<MachineFigures> {
  const child = spawnHelper(await helperPath(host), ["machine", path]);
  await child.stdin.close();
  const { stdout } = await child.output();
  const lines = new TextDecoder().decode(stdout).split("\n").map((line) => line.split("="));
  const told = Object.fromEntries(lines);
  const figure = (name: keyof MachineFigures) => Number(told[name] ?? NaN);
  return {
    openDescriptors: figure("openDescriptors"),
    descriptorsMax: figure("descriptorsMax"),
    diskFreeBytes: figure("diskFreeBytes"),
    diskBytes: figure("diskBytes"),
  };
}
