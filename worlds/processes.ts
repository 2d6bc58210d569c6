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
