/**
 * Folders that the sockets of servers are made in, one for each instance: whoever could enter one
 * could send a server requests that nobody pays for.
 */
import { basename, join } from "node:path";

/** A socket's path has 107 bytes at most (unix(7)): what is left to it behind its folder's own. */
const LONGEST_ROOT_BYTES = 80;

const TEMPORARY_PREFIX = "khachapuri-";

export interface SocketFolder {
  readonly path: string;
  /** Calling it again does nothing. */
  remove(): Promise<void>;
}

export class SocketFolders {
  #count = 0;

  /** @param note the file that says where `root` is; null: nothing says it */
  private constructor(private readonly root: string, private readonly note: string | null) {}

  /**
   * @param wanted a path that is ours alone, emptied of what an earlier process left there; null,
   *   or where it is too long: a temporary folder takes its place. A file at `wanted` says which,
   *   so that the next process finds what this one leaves when it is killed
   */
  static async open(wanted: string | null): Promise<SocketFolders> {
    if (wanted === null) return new SocketFolders(await temporaryFolder(), null);
    await removeSockets(wanted);
    if (bytesOf(wanted) > LONGEST_ROOT_BYTES) {
      const root = await temporaryFolder();
      await Deno.writeTextFile(wanted, root, { mode: 0o600 });
      return new SocketFolders(root, wanted);
    }
    await Deno.mkdir(wanted, { mode: 0o700 });
    return new SocketFolders(wanted, null);
  }

  /** One more, which is empty. */
  async take(): Promise<SocketFolder> {
    this.#count += 1;
    const path = join(this.root, this.#count.toString(36));
    await Deno.mkdir(path, { mode: 0o700 });
    return { path, remove: () => remove(path) };
  }

  /** Removes all of them. */
  async close(): Promise<void> {
    await remove(this.root);
    if (this.note !== null) await remove(this.note);
  }
}

/** Removes what the process left that had its sockets at `wanted`. */
export async function removeSockets(wanted: string): Promise<void> {
  await removeNoted(wanted);
  await remove(wanted);
}

/**
 * Removes the temporary folder that a note speaks of. Somebody else may have made one of that name
 * since, for us to remove: it has to be ours, and nobody else's to write to.
 */
async function removeNoted(note: string): Promise<void> {
  const isNote = await Deno.lstat(note).then(({ isFile }) => isFile, () => false);
  if (!isNote) return;
  const noted = await Deno.readTextFile(note);
  const found = await Deno.lstat(noted).catch(() => null);
  if (!found?.isDirectory || !basename(noted).startsWith(TEMPORARY_PREFIX)) return;
  if (found.uid === Deno.uid() && (found.mode! & 0o777) === 0o700) await remove(noted);
}

async function temporaryFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: TEMPORARY_PREFIX });
  if (bytesOf(folder) <= LONGEST_ROOT_BYTES) return folder;
  await remove(folder);
  return await Deno.makeTempDir({ dir: "/tmp", prefix: TEMPORARY_PREFIX });
}

function bytesOf(path: string): number {
  return new TextEncoder().encode(path).length;
}

async function remove(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
