/**
 * The few parts of the machine's /etc that programs see, copied into one folder. The kernel copies
 * every mount into every run's namespace, so one mount in place of one a path makes each run
 * shorter (`deno task bench sandbox`, row "khachapuri, whole request").
 */
import { join } from "node:path";

/** Without these interpreters and TLS do not work. */
export const ETC_PATHS: readonly string[] = [
  "/etc/ssl/certs",
  "/etc/ld.so.cache",
  "/etc/alternatives",
  "/etc/java-11-openjdk",
  "/etc/java-17-openjdk",
  "/etc/java-21-openjdk",
  "/etc/java-25-openjdk",
];

/**
 * Copies what there is of `ETC_PATHS` to `folder`, in place of what an earlier start left there.
 * Links stay links. What not everybody on this machine may read is left out, as every program may
 * read the copy.
 * @returns `folder`
 */
export async function copyEtc(folder: string, paths = ETC_PATHS, root = "/etc"): Promise<string> {
  const fresh = `${folder}.fresh`;
  await Deno.remove(fresh, { recursive: true }).catch(ignoreMissing);
  await makeFolder(fresh);
  for (const path of paths) {
    const parts = path.slice(root.length + 1).split("/");
    for (let depth = 1; depth < parts.length; depth++) {
      await makeFolder(join(fresh, ...parts.slice(0, depth)));
    }
    await copy(path, join(fresh, ...parts)).catch(ignoreMissing);
  }
  await Deno.remove(folder, { recursive: true }).catch(ignoreMissing);
  await Deno.rename(fresh, folder);
  return folder;
}

async function copy(from: string, to: string): Promise<void> {
  const { isSymlink, isDirectory, isFile, mode } = await Deno.lstat(from);
  if (isSymlink) return await Deno.symlink(await Deno.readLink(from), to);
  const needed = isDirectory ? 0o005 : 0o004;
  if (((mode ?? 0) & needed) !== needed) return;
  if (isFile) {
    await Deno.copyFile(from, to);
    return await Deno.chmod(to, 0o644);
  }
  if (!isDirectory) return;
  await makeFolder(to);
  const names = await Array.fromAsync(Deno.readDir(from), ({ name }) => name);
  await Promise.all(names.map((name) => copy(join(from, name), join(to, name))));
}

/** Open for everybody whatever our umask is, as programs enter it under another uid. */
async function makeFolder(path: string): Promise<void> {
  await Deno.mkdir(path, { recursive: true });
  await Deno.chmod(path, 0o755);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
