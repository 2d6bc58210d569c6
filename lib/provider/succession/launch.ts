/** Starts the process that is to go on in our stead, by the native helper. */
import { helperPath, spawnHelper } from "../../../sandbox/native.ts";

export interface Launch {
  /** The program's file: absolute, and checked (`checkedProgramFile`). */
  readonly file: string;
  readonly args: readonly string[];
  /**
   * Whether somebody waits for this very process, as a shell or a container does: then an attendant
   * stays between us and all that come after us, and passes signals on (sandbox/init/launch.c).
   */
  readonly isWaitedFor: boolean;
}

export interface Successor {
  /** Its own, or its attendant's. */
  readonly pid: number;
  /** Its exit code; with an attendant, that of the last of all that came after it. */
  readonly ended: Promise<number>;
  signal(signal: Deno.Signal): void;
}

/**
 * Starts it, with our environment, our descriptors from the service manager, and our log.
 * @throws KhachapuriError `sandbox_unavailable`
 */
export async function launch({ file, args, isWaitedFor }: Launch): Promise<Successor> {
  const child = spawnHelper(
    await helperPath({}),
    [isWaitedFor ? "attend" : "launch", file, ...args],
    {
      clearEnv: false,
      cwd: currentFolder(),
      // An attendant knows by its end that we are gone.
      stdin: isWaitedFor ? "piped" : "null",
      stdout: "inherit",
      stderr: "inherit",
    },
  );
  return {
    pid: child.pid,
    ended: child.status.then(({ code }) => code),
    signal(signal) {
      try {
        child.kill(signal);
      } catch {
        // It has ended.
      }
    },
  };
}

/** Our own, which arguments may be relative to. */
function currentFolder(): string {
  try {
    return Deno.cwd();
  } catch {
    return "/";
  }
}
