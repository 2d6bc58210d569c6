/** The command line in a process of its own, which is ended when it takes too long or too much. */
import { commandFromSource } from "../worlds/command_line.ts";
import { residentMemory } from "../worlds/processes.ts";

export interface CommandBounds {
  readonly seconds: number;
  /** Of resident memory. */
  readonly megabytes: number;
}

export interface CommandFound {
  /** From its start to its first lines, a kilobyte; null: there were none. */
  readonly firstMs: number | null;
  readonly ms: number;
  /** The most that it had of the memory, as far as it was looked at. */
  readonly megabytes: number;
  readonly printedBytes: number;
  /** null: it was ended. */
  readonly code: number | null;
}

/** What is printed of no entry at all, such as a head, is less. */
const FIRST_BYTES = 1_000;
/** Between two looks at its memory. */
const LOOK_MS = 200;

/** Runs it in the home at `home`; what it prints is counted and dropped. */
export async function runBounded(
  home: string,
  args: readonly string[],
  bounds: CommandBounds,
): Promise<CommandFound> {
  const [program, ...flags] = commandFromSource();
  const startedAt = performance.now();
  const child = new Deno.Command(program!, {
    args: [...flags, ...args, "--home", home],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let [megabytes, isCut] = [0, false];
  const cut = () => {
    isCut = true;
    child.kill("SIGKILL");
  };
  const late = setTimeout(cut, 1_000 * bounds.seconds);
  const looking = setInterval(async () => {
    const memory = await residentMemory(child.pid).catch(() => null);
    megabytes = Math.max(megabytes, (memory?.peakBytes ?? 0) / 1e6);
    if (megabytes > bounds.megabytes && !isCut) cut();
  }, LOOK_MS);
  let firstMs: number | null = null;
  let printedBytes = 0;
  for await (const chunk of child.stdout) {
    printedBytes += chunk.length;
    if (printedBytes >= FIRST_BYTES) firstMs ??= performance.now() - startedAt;
  }
  const { code } = await child.status;
  clearTimeout(late);
  clearInterval(looking);
  const ms = performance.now() - startedAt;
  return { firstMs, ms, megabytes, printedBytes, code: isCut ? null : code };
}
