/** The file that this program was started from, which its successor is started from, too. */
import { dirname } from "node:path";
import { KhachapuriError } from "../../errors.ts";
import { named } from "../../files.ts";
import type { ServiceEnvironment } from "./service_environment.ts";

const GROUP_OR_OTHERS_WRITE = 0o022;
const OTHERS_WRITE = 0o002;
/** In a folder with it, only its owner replaces a file. */
const STICKY = 0o1000;

/**
 * Where that file is; null from source, where there is none. The package says it itself
 * (tools/package.ts), a compiled file is what runs.
 */
export function programFile({ env }: Pick<ServiceEnvironment, "env">): string | null {
  if (Deno.build.standalone) return Deno.execPath();
  return env("KHACHAPURI_FILE") || null;
}

/**
 * What a file is, and when it was put there: another one in its place differs. null where there is
 * none.
 */
export async function markOf(file: string): Promise<string | null> {
  const info = await Deno.stat(file).catch(() => null);
  return info && `${info.ino} ${info.mtime?.getTime()} ${info.size}`;
}

/**
 * Looks whether a file may be started in our stead: nobody but root and we could have written it.
 * @param uid ours
 * @returns its path without links
 * @throws KhachapuriError `access_denied` for one that somebody else could have written,
 * `file_unusable` for none that can be started, `not_found`
 */
export async function checkedProgramFile(file: string, uid = Deno.uid()): Promise<string> {
  if (!file.startsWith("/")) {
    throw new KhachapuriError("file_unusable", `${file} is no absolute path`, {
      hints: ["start the program by its whole path"],
    });
  }
  const path = await named(file, "read", Deno.realPath(file));
  const { isFile, mode, uid: owner } = await named(path, "read", Deno.stat(path));
  if (!isFile || ((mode ?? 0) & 0o111) === 0) {
    throw new KhachapuriError("file_unusable", `${path} is no file that can be started`, {
      hints: [`chmod 755 ${path}`],
    });
  }
  assertSafe(path, { owner, mode: mode ?? 0, written: GROUP_OR_OTHERS_WRITE, uid });
  const folder = await Deno.stat(dirname(path));
  const folderMode = folder.mode ?? 0;
  const written = folderMode & STICKY ? 0 : OTHERS_WRITE;
  assertSafe(dirname(path), { owner: folder.uid, mode: folderMode, written, uid });
  return path;
}

interface Safety {
  readonly owner: number | null;
  readonly mode: number;
  /** Bits that it must not have. */
  readonly written: number;
  readonly uid: number | null;
}

function assertSafe(path: string, { owner, mode, written, uid }: Safety): void {
  if (owner !== 0 && owner !== uid) {
    throw new KhachapuriError("access_denied", `${path} belongs to another user (uid ${owner})`, {
      hints: [`it has to be root's or our own: chown root: ${path}`],
    });
  }
  if ((mode & written) !== 0) {
    throw new KhachapuriError("access_denied", `${path} can be written by others`, {
      hints: [`chmod go-w ${path}`],
    });
  }
}
