/** A disk of its own that a test can fill: a tmpfs, which only root can mount. */
import { join } from "node:path";
import { makeFolder } from "./home.ts";

export interface SmallDisk extends AsyncDisposable {
  readonly dir: string;
  /** Takes all that is free, byte by byte in the end. */
  fill(): Promise<void>;
  /** Takes all inodes. */
  fillFiles(): Promise<void>;
  /** Gives back what was taken. */
  empty(): Promise<void>;
  /** Mounts it anew, read-only or writable. */
  remount(how: "ro" | "rw"): Promise<void>;
}

/** Whether this machine lets us have one. */
export async function canMount(): Promise<boolean> {
  if (Deno.uid() !== 0) return false;
  const disk = await openSmallDisk(1).catch(() => null);
  await disk?.[Symbol.asyncDispose]();
  return disk !== null;
}

/** @param files inodes that it has */
export async function openSmallDisk(megabytes: number, files = 20_000): Promise<SmallDisk> {
  const { dir, ...folder } = await makeFolder();
  const disk = join(dir, "disk");
  const filler = join(disk, "filler");
  await Deno.mkdir(disk);
  const options = `size=${megabytes}m,nr_inodes=${files},mode=0755`;
  await run("mount", ["-t", "tmpfs", "-o", options, "tmpfs", disk]);
  return {
    dir: disk,
    async fill() {
      await Deno.mkdir(filler, { recursive: true });
      using file = await Deno.open(join(filler, "bytes"), { create: true, append: true });
      for (const size of [1 << 20, 4_096, 1]) {
        const bytes = new Uint8Array(size);
        while (await file.write(bytes).then(() => true, () => false));
      }
    },
    async fillFiles() {
      await Deno.mkdir(filler, { recursive: true });
      const make = (n: number) => Deno.writeTextFile(join(filler, String(n)), "");
      for (let n = 0; await make(n).then(() => true, () => false); n++);
    },
    empty: () => Deno.remove(filler, { recursive: true }),
    remount: (how) => run("mount", ["-o", `remount,${how}`, disk]),
    async [Symbol.asyncDispose]() {
      await run("umount", ["-l", disk]);
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args: [...args] }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
