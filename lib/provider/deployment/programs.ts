/** From a spec's program to a folder that a sandbox can show: fetched, verified, unpacked once. */
import { join } from "node:path";
import { parseCid } from "../../cid.ts";
import { unfit } from "../../errors.ts";
import type { Fetcher } from "../../ipfs/gateway.ts";
import { PROGRAM_ZIP_BYTES_MAX, UNPACKED_BYTES_MAX } from "../../limits.ts";
import { unpackProgram } from "../../spec/unpack.ts";
import { decryptProgram } from "../../spec/private_program.ts";
import type { Spec } from "../../spec/schema.ts";
import { assertStarts } from "../../spec/start_fault.ts";

export interface Programs {
  /**
   * The spec's program, unpacked; it stays on disk until released.
   * @throws KhachapuriError `not_found`, `ipfs_unavailable`, `invalid_program`
   */
  acquire(spec: Spec): Promise<ProgramFolder>;
  /** Bytes on disk now. */
  bytes(): number;
}

export interface ProgramFolder {
  /** Absolute; readable by the run uid. */
  readonly path: string;
  release(): void;
}

export interface ProgramsOptions {
  dir: string;
  fetcher: Fetcher;
  /** Disk that unpacked programs may hold; those not in use go, longest unused first. */
  bytesMax?: number;
}

interface Unpacked {
  ready: Promise<{ path: string; bytes: number }>;
  users: number;
}

/**
 * Unpacked programs live below `dir`, each in a folder with an unguessable name: the run uid must
 * be able to enter it, and another tenant must not find it. What an earlier process left is
 * removed; the zips are still in the content cache.
 */
export async function openPrograms(options: ProgramsOptions): Promise<Programs> {
  const { dir, fetcher, bytesMax = UNPACKED_BYTES_MAX } = options;
  await Deno.remove(dir, { recursive: true }).catch(ignoreMissing);
  await Deno.mkdir(dir, { recursive: true });
  await Deno.chmod(dir, 0o711);
  /** In the order of last use, longest ago first. */
  const known = new Map<string, Unpacked>();
  let total = 0;

  async function unpack({ program }: Spec): Promise<{ path: string; bytes: number }> {
    const published = await fetcher.readFile(parseCid(program.cid), {
      maxBytes: PROGRAM_ZIP_BYTES_MAX,
    }).catch((error) => {
      throw unfit(error, "invalid_program", "what the program's cid holds is no program");
    });
    const zip = program.key ? await decryptProgram(published, program.key) : published;
    const path = join(dir, crypto.randomUUID());
    await unpackProgram(zip, path);
    const bytes = await sizeOf(path);
    total += bytes;
    return { path, bytes };
  }

  async function makeRoom(): Promise<void> {
    for (const [name, { users, ready }] of known) {
      if (total <= bytesMax) return;
      if (users > 0) continue;
      known.delete(name);
      const { path, bytes } = await ready;
      total -= bytes;
      await Deno.remove(path, { recursive: true }).catch(ignoreMissing);
    }
  }

  function hold(spec: Spec): Unpacked {
    // The key is part of the name: knowing a private program's cid must not be enough.
    const name = `${spec.program.cid}:${spec.program.key ?? ""}`;
    const program = known.get(name) ?? { ready: unpack(spec), users: 0 };
    program.ready.catch(() => known.delete(name));
    known.delete(name);
    known.set(name, program);
    return program;
  }

  return {
    bytes: () => total,
    async acquire(spec) {
      const program = hold(spec);
      program.users += 1;
      let isHeld = true;
      function release(): void {
        if (isHeld) program.users -= 1;
        isHeld = false;
      }
      try {
        const { path } = await program.ready;
        const command = { entrypoint: spec.program.entrypoint, env: spec.env };
        await assertStarts(path, command, "owner: mend the program and deploy again");
        await makeRoom();
        return { path, release };
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    bytes += entry.isDirectory ? await sizeOf(path) : (await Deno.lstat(path)).size;
  }
  return bytes;
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
