/** From a spec's program to a folder that a sandbox can show: fetched, verified, unpacked once. */
import { join } from "node:path";
import { parseCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import type { Fetcher } from "../ipfs/gateway.ts";
import { PROGRAM_ZIP_BYTES_MAX } from "../limits.ts";
import { unpackProgram } from "../spec/archive.ts";
import { decryptProgram } from "../spec/private_program.ts";
import type { Spec } from "../spec/schema.ts";

export interface Programs {
  /**
   * The folder of the spec's unpacked program, readable by the run uid.
   * @throws KhachapuriError `not_found`, `ipfs_unavailable`, `invalid_program`
   */
  folderOf(spec: Spec): Promise<string>;
}

/**
 * Unpacked programs live below `dir`, each in a folder with an unguessable name: the run uid must
 * be able to enter it, and another tenant must not find it. What an earlier process left is
 * removed; the zips are still in the content cache.
 */
export async function openPrograms(dir: string, fetcher: Fetcher): Promise<Programs> {
  await Deno.remove(dir, { recursive: true }).catch(ignoreMissing);
  await Deno.mkdir(dir, { recursive: true, mode: 0o711 });
  const folders = new Map<string, Promise<string>>();

  async function prepare({ program }: Spec): Promise<string> {
    const published = await fetcher.readFile(parseCid(program.cid), {
      maxBytes: PROGRAM_ZIP_BYTES_MAX,
    });
    const zip = program.key ? await decryptProgram(published, program.key) : published;
    const folder = join(dir, crypto.randomUUID());
    await unpackProgram(zip, folder);
    return folder;
  }

  return {
    async folderOf(spec) {
      // The key is part of the name: knowing a private program's cid must not be enough.
      const name = `${spec.program.cid}:${spec.program.key ?? ""}`;
      let folder = folders.get(name);
      if (!folder) {
        folder = prepare(spec);
        folders.set(name, folder);
        folder.catch(() => folders.delete(name));
      }
      const ready = await folder;
      await assertEntrypoint(ready, spec.program.entrypoint);
      return ready;
    },
  };
}

async function assertEntrypoint(folder: string, entrypoint: string): Promise<void> {
  const info = await Deno.stat(join(folder, entrypoint)).catch(ignoreMissing);
  const missing = !info?.isFile;
  if (!missing && ((info.mode ?? 0) & 0o111) !== 0) return;
  throw new KhachapuriError(
    "invalid_program",
    missing
      ? `the program has no file ${entrypoint}`
      : `${entrypoint} is not executable in the program zip`,
    { hints: ["owner: mend the program and deploy again"] },
  );
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
