/**
 * Temporary folders in memory for what tests start. Tests make and remove homes of a thousand files
 * each, and ext4 goes through all that was removed in the last minutes before it makes another one.
 */

export interface MemoryFolder extends AsyncDisposable {
  /** The command that runs `argv` with temporary folders of its own, gone with its end. */
  around(argv: readonly string[]): string[];
}

const MOUNT = 'mount -t tmpfs -o mode=1777 tmpfs "$1" && export TMPDIR="$1" && shift && exec "$@"';

/** As root in a mount namespace of each command's own; who may not mount keeps the disk. */
export async function openMemoryFolder(): Promise<MemoryFolder> {
  const place = await Deno.makeTempDir({ prefix: "khachapuri-tests-" });
  const within = ["unshare", "--mount", "sh", "-c", MOUNT, "sh", place];
  const mayMount = await succeeds([...within, "true"]);
  return {
    around: (argv) => mayMount ? [...within, ...argv] : [...argv],
    [Symbol.asyncDispose]: () => Deno.remove(place),
  };
}

async function succeeds([command, ...args]: readonly string[]): Promise<boolean> {
  const options = { args, stdin: "null", stdout: "null", stderr: "null" } as const;
  return await new Deno.Command(command!, options).output()
    .then(({ success }) => success, () => false);
}
