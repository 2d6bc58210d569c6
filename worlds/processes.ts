/** Processes that are not ours to wait for: procps finds them, and waits for their end by pidfd. */

/** Zombies hold nothing: they wait for a parent that reaps. */
const ALIVE = ["-r", "R,S,D,T,t"];

/** The living processes whose command line matches, one a line; "" when there are none. */
export async function livingProcesses(pattern: string): Promise<string> {
  const args = ["-f", "-a", ...ALIVE, pattern];
  const { stdout } = await new Deno.Command("pgrep", { args }).output();
  return new TextDecoder().decode(stdout);
}

/**
 * Waits until no living process matches, for `timeoutMs` at most.
 * @returns those that live on, as `livingProcesses` lists them
 */
export async function survivors(pattern: string, timeoutMs = 10_000): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  const args = ["-f", ...ALIVE, pattern];
  // It has found somebody and seen the end of all that it found: there may be new ones.
  while ((await new Deno.Command("pidwait", { args, signal }).output()).success);
  return await livingProcesses(pattern);
}

/** Signals all that is in the group of a process that was started `detached`, if anything is. */
export function signalGroup({ pid }: Pick<Deno.ChildProcess, "pid">, signal: Deno.Signal): void {
  try {
    Deno.kill(-pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Processes that `parent` has started and not yet reaped. */
export async function childrenOf(parent: number): Promise<number[]> {
  const { stdout } = await new Deno.Command("pgrep", { args: ["-P", String(parent)] }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "").map(Number);
}

/** Waits until all that `parent` had started has ended. */
export async function untilChildrenEnded(parent: number): Promise<void> {
  await new Deno.Command("pidwait", { args: ["-P", String(parent)] }).output();
}

/** Files of proc(5) and the like. A program reads them, as Deno's permissions keep us from them. */
async function readAll(...paths: string[]): Promise<string> {
  const args = ["--", ...paths];
  const { stdout } = await new Deno.Command("cat", { args, stderr: "null" }).output();
  return new TextDecoder().decode(stdout);
}

export interface ProcessFacts {
  readonly pid: number;
  /** A letter of proc(5), such as T for stopped. */
  readonly state: string;
  /** Taken by itself, ms. */
  readonly ownCpuMs: number;
  /** That, and what those have taken that it has waited for, ms. */
  readonly cpuMs: number;
  readonly threads: number;
}

const TICK_MS = 10;

/** What the kernel says of these; nothing of those that have gone. */
export async function factsOf(pids: readonly number[]): Promise<ProcessFacts[]> {
  if (pids.length === 0) return [];
  const text = await readAll(...pids.map((pid) => `/proc/${pid}/stat`));
  // A name may have spaces and brackets in it; only the last bracket ends it.
  return [...text.matchAll(/^(\d+) \(.*\) (.*)$/gm)].map(([, pid, rest]) => {
    const fields = rest!.split(" ");
    const times = fields.slice(11, 15).map((ticks) => +ticks * TICK_MS);
    const [own, system, children, theirs] = times;
    const ownCpuMs = own! + system!;
    const cpuMs = ownCpuMs + children! + theirs!;
    return { pid: +pid!, state: fields[0]!, ownCpuMs, cpuMs, threads: +fields[17]! };
  });
}

/** Whether its cgroup is frozen, which no letter of its own says. */
export async function isFrozen(pid: number): Promise<boolean> {
  const own = /^0::(.*)$/m.exec(await readAll(`/proc/${pid}/cgroup`))?.[1];
  if (own === undefined) return false;
  return /^frozen 1$/m.test(await readAll(`/sys/fs/cgroup${own}/cgroup.events`));
}

/** What the processes do whose command line matches, as the host sees them. */
export interface Work {
  readonly pids: readonly number[];
  /** Processor time of those, ms. */
  readonly cpuMs: number;
  /** Of the one that has most. */
  readonly threadsMost: number;
  readonly areStopped: boolean;
}

export async function workOf(pattern: string): Promise<Work> {
  const lines = (await livingProcesses(pattern)).split("\n").filter((line) => line !== "");
  const facts = await factsOf(lines.map((line) => parseInt(line)));
  const stopped = await Promise.all(
    facts.map(async ({ pid, state }) => state === "T" || await isFrozen(pid)),
  );
  return {
    pids: facts.map(({ pid }) => pid),
    cpuMs: facts.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    threadsMost: Math.max(0, ...facts.map(({ threads }) => threads)),
    areStopped: facts.length > 0 && stopped.every(Boolean),
  };
}

/** Processes and threads that this machine has ever started: of those that nobody sees, too. */
export async function startedEver(): Promise<number> {
  return Number(/^processes (\d+)$/m.exec(await readAll("/proc/stat"))![1]);
}

export interface ResidentMemory {
  readonly bytes: number;
  /** The most that it was since it began, or since `forgetPeak`. */
  readonly peakBytes: number;
}

export async function residentMemory(pid: number): Promise<ResidentMemory> {
  const status = await readAll(`/proc/${pid}/status`);
  const [bytes, peakBytes] = ["VmRSS", "VmHWM"].map((name) => {
    const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
    if (kib === undefined) throw new Error(`there is no process ${pid}`);
    return Number(kib) * 1024;
  });
  return { bytes: bytes!, peakBytes: peakBytes! };
}

/** How much more a process holds at most while `work` is done than before it, bytes. */
export async function growthDuring(pid: number, work: () => Promise<unknown>): Promise<number> {
  await forgetPeak(pid);
  const { bytes } = await residentMemory(pid);
  await work();
  return (await residentMemory(pid)).peakBytes - bytes;
}

/** From now on its peak is what it has from now on. */
async function forgetPeak(pid: number): Promise<void> {
  const args = ["-c", `echo 5 >/proc/${pid}/clear_refs`];
  const { success } = await new Deno.Command("/bin/sh", { args }).output();
  if (!success) throw new Error(`there is no process ${pid}`);
}

/** Bytes that a process has read so far, of files, pipes and whatever else read(2) takes. */
export async function bytesRead(pid: number): Promise<number> {
  return Number(/^rchar: (\d+)$/m.exec(await readAll(`/proc/${pid}/io`))![1]);
}

/** The same of a command, from its start to its end; what it prints is dropped. */
export async function bytesReadBy(command: readonly string[]): Promise<number> {
  // A shell's own count has what those have read that it has waited for.
  const script = '"$@" >/dev/null; cat /proc/$$/io';
  const args = ["-c", script, "sh", ...command];
  const { stdout } = await new Deno.Command("/bin/sh", { args }).output();
  return Number(/^rchar: (\d+)$/m.exec(new TextDecoder().decode(stdout))![1]);
}
