/**
 * The program's file, put in the place of another. Whoever starts it meanwhile, or after a crash,
 * finds the one or the other, whole.
 */
import { dirname } from "node:path";
import { KhachapuriError } from "../errors.ts";
import { named, syncFolder } from "../files.ts";

/** What was done, and can be undone until it is settled. */
export interface Replacement extends AsyncDisposable {
  /** Puts back what was there. */
  undo(): Promise<void>;
  /** It stays. */
  settle(): Promise<void>;
}

/** Where the file before is kept. */
export function previousOf(path: string): string {
  return `${path}.previous`;
}

/** What is kept beside the file at `path`, and what an upgrade that was killed leaves there. */
export function keptBeside(path: string): string[] {
  const previous = previousOf(path);
  return [previous, `${previous}.before`, `${previous}.aside`, `${path}.aside`, `${path}.new`];
}

/**
 * Installs `bytes` at `path`, owned and to be used as what is there, which is kept beside it.
 * @param path without links
 * @throws KhachapuriError `overloaded` while somebody else does, `access_denied`, `file_unusable`
 */
export async function installFile(
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Replacement> {
  using stack = new DisposableStack();
  stack.use(await lockFile(path));
  const previous = previousOf(path);
  const earlier = `${previous}.before`;
  try {
    await writeBeside(path, bytes);
    // Whoever comes meanwhile finds this one in its place.
    stack.use(await lockFile(`${path}.new`));
    // What was the file before until now; it is that again if this is undone.
    await removed(earlier);
    await Deno.link(previous, earlier).catch(ignoreMissing);
    await place(path, previous, Deno.link);
    await named(path, "written", Deno.rename(`${path}.new`, path));
    await syncFolder(dirname(path));
  } catch (error) {
    await removed(`${path}.new`);
    throw error;
  }
  const locks = stack.move();
  return {
    async undo() {
      await place(previous, path, Deno.link);
      await Deno.rename(earlier, previous).catch(async (error) => {
        ignoreMissing(error);
        await removed(previous);
      });
      await syncFolder(dirname(path));
    },
    settle: () => removed(earlier),
    async [Symbol.asyncDispose]() {
      await removed(earlier);
      locks.dispose();
    },
  };
}

/**
 * Exchanges the file with the one before.
 * @throws KhachapuriError `not_found` where none is kept
 */
export async function exchangeFiles(path: string): Promise<Replacement> {
  using stack = new DisposableStack();
  stack.use(await lockFile(path));
  const previous = previousOf(path);
  const exchange = async () => {
    const aside = `${path}.aside`;
    await removed(aside);
    await Deno.link(path, aside);
    await named(path, "written", Deno.rename(previous, path));
    await Deno.rename(aside, previous);
    await syncFolder(dirname(path));
  };
  const isThere = await Deno.stat(previous).then(({ isFile }) => isFile, () => false);
  if (!isThere) {
    throw new KhachapuriError("not_found", `there is no file before this one: ${previous}`, {
      hints: ["an upgrade keeps one"],
    });
  }
  stack.use(await lockFile(previous));
  await exchange();
  const locks = stack.move();
  return {
    undo: exchange,
    settle: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(locks.dispose()),
  };
}

/** One at a time: on the file itself, so that nothing is left behind. */
async function lockFile(path: string): Promise<Deno.FsFile> {
  const file = await named(path, "read", Deno.open(path));
  if (await file.tryLock(true)) return file;
  file.close();
  throw new KhachapuriError("overloaded", `another upgrade of ${path} is under way`, {
    hints: ["wait for its end"],
  });
}

async function writeBeside(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const { mode, uid, gid } = await named(path, "read", Deno.stat(path));
  const fresh = `${path}.new`;
  await removed(fresh);
  await named(fresh, "written", Deno.writeFile(fresh, bytes, { createNew: true, mode: 0o600 }));
  if (uid !== null && gid !== null && (uid !== Deno.uid() || gid !== Deno.gid())) {
    await named(fresh, "written", Deno.chown(fresh, uid, gid));
  }
  await Deno.chmod(fresh, (mode ?? 0o755) & 0o7777);
  using file = await named(fresh, "written", Deno.open(fresh, { write: true }));
  await named(fresh, "written", file.sync());
}

/** Gives `to` what is at `from`, in one step and without a time in which nothing is there. */
async function place(
  from: string,
  to: string,
  copy: (from: string, to: string) => Promise<void>,
): Promise<void> {
  const aside = `${to}.aside`;
  await removed(aside);
  await named(aside, "written", copy(from, aside));
  await named(to, "written", Deno.rename(aside, to));
}

async function removed(path: string): Promise<void> {
  await Deno.remove(path).catch(ignoreMissing);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
