/** Processor time of processes and all that they started, as proc(5) has it. */
import { outputOf } from "./checkout.ts";

/**
 * User and system time so far of a process and all that it started, the ended ones too, µs; one
 * tick is 10 ms.
 */
export async function processorTime(pid: number): Promise<number> {
  const text = await outputOf("sh", ["-c", "cat /proc/[0-9]*/stat 2>/dev/null; true"]);
  const all = text.trim().split("\n").map((line) => {
    const [, own, rest] = /^(\d+) \(.*\) (.*)$/.exec(line)!;
    const fields = rest!.split(" ").map(Number);
    const ticks = fields.slice(11, 15).reduce((sum, each) => sum + each, 0);
    return { pid: Number(own), parent: fields[1]!, ticks };
  });
  const tree = new Set([pid]);
  // Children have higher numbers than their parents, but where the numbers began anew.
  for (const _ of [1, 2, 3, 4]) {
    for (const each of all) if (tree.has(each.parent)) tree.add(each.pid);
  }
  return all.reduce((sum, each) => sum + (tree.has(each.pid) ? each.ticks : 0), 0) * 10_000;
}

/** µs of a command and its children, from its start to its end. */
export async function processorTimeOf(command: string, args: readonly string[]): Promise<number> {
  const text = await outputOf("sh", ["-c", '"$@" >/dev/null; times', "sh", command, ...args]);
  // The second line is the children's: "0m0.120s 0m0.310s".
  const times = text.trim().split("\n").at(-1)!.matchAll(/(\d+)m([\d.]+)s/g);
  return [...times].reduce((sum, [, minutes, seconds]) => sum + 60 * +minutes! + +seconds!, 0) *
    1e6;
}
