/** What a process holds, as the system counts it: nothing may be left of those who have gone. */
import { pause } from "../../lib/pause.ts";

export interface Census {
  /** Open files and sockets of the process and of those it started. */
  readonly descriptors: number;
  /** The process and those it started, and they; without those that only wait to be reaped. */
  readonly processes: number;
  /** Files and folders of its home. */
  readonly inodes: number;
  /** Resident memory of the process itself, KiB. */
  readonly rssKib: number;
}

/** How much more may be there afterwards. */
export type Slack = Readonly<Record<keyof Census, number>>;

/** A shell, as Deno's permissions keep us from /proc. */
const SCRIPT = `
  family() { echo "$1"; for child in $(pgrep -P "$1" -r R,S,D,T,t); do family "$child"; done; }
  all=$(family "$1")
  for each in $all; do ls "/proc/$each/fd" 2>/dev/null; done | wc -l
  echo "$all" | wc -l
  find "$2" | wc -l
  awk '/^VmRSS/ { print $2 }' "/proc/$1/status"`;

/** @param home a folder that is the process's own */
export async function takeCensus(pid: number, home: string): Promise<Census> {
  const args = ["-c", SCRIPT, "census", String(pid), home];
  const { stdout } = await new Deno.Command("/bin/sh", { args }).output();
  const [descriptors, processes, inodes, rssKib] = new TextDecoder().decode(stdout).trim()
    .split(/\s+/).map(Number);
  if (rssKib === undefined) throw new Error(`there is no process ${pid}`);
  return { descriptors: descriptors!, processes: processes!, inodes: inodes!, rssKib };
}

/** What is there and was not there before, beyond the slack; "" when nothing is. */
export function leftover(before: Census, after: Census, slack: Slack): string {
  return (Object.keys(slack) as (keyof Census)[])
    .filter((what) => after[what] > before[what] + slack[what])
    .map((what) => `${what}: ${before[what]}, then ${after[what]}`)
    .join("; ");
}

/** Counts until nothing is left over, for `patienceMs` at most; returns what still is. */
export async function settledLeftover(
  before: Census,
  count: () => Promise<Census>,
  slack: Slack,
  patienceMs: number,
): Promise<string> {
  const until = Date.now() + patienceMs;
  while (true) {
    const left = leftover(before, await count(), slack);
    if (left === "" || Date.now() > until) return left;
    await pause(50);
  }
}
