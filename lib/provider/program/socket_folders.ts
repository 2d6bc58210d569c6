/**
 * Folders that the sockets of servers are made in, one for each instance: whoever could enter one
 * could send a server requests that nobody pays for.
 */
import { join } from "node:path";

/** A socket's path has 107 bytes at most (unix(7)): what is left to it behind its folder's own. */
const ROOT_BYTES_MAX = 80;

export interface SocketFolder {
  readonly path: string;
  /** Calling it again does nothing. */
  remove(): Promise<void>;
}

export class SocketFolders {
  #count = 0;

  private constructor(private readonly root: string) {}

  /**
   * @param wanted a path that is ours alone, emptied of what an earlier process left there; null,
   *   or where it is too long: a temporary folder takes its place
   */
  static async open(wanted: string | null): Promise<SocketFolders> {
    if (wanted === null || bytesOf(wanted) > ROOT_BYTES_MAX) {
      return new SocketFolders(await temporaryFolder());
    }
    await remove(wanted);
    await Deno.mkdir(wanted, { mode: 0o700 });
    return new SocketFolders(wanted);
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
  }
}

async function temporaryFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "khachapuri-" });
  if (bytesOf(folder) <= ROOT_BYTES_MAX) return folder;
  await remove(folder);
  return await Deno.makeTempDir({ dir: "/tmp", prefix: "khachapuri-" });
}

function bytesOf(path: string): number {
  return new TextEncoder().encode(path).length;
}

async function remove(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
