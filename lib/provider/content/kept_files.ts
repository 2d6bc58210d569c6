/**
 * The folder of what is kept: one CAR for each root under its own name, and beside them what has
 * come of pushes that broke off. What has its own name is whole, was verified, and is on disk.
 */
import { join } from "node:path";
import type { Address } from "viem";
import type { CidText } from "../../cid.ts";
import { isMissing, syncFolder } from "../../files.ts";

const CAR = ".car";
const PART = ".part";
const PART_NAME = /^([a-z2-7]+)\.(0x[0-9a-zA-Z]{40})\.part$/;
/** What the usual file systems give out at least. */
const DISK_BLOCK_BYTES = 4_096;

/** What an owner has sent of a root. */
export interface PartName {
  readonly root: CidText;
  readonly owner: Address;
}

/** One that lies here. */
export interface PartFile extends PartName {
  readonly bytes: number;
  /** When it was written last, Unix ms. */
  readonly at: number;
}

export class KeptFiles {
  private constructor(private readonly dir: string) {}

  /** Opens (or makes) the folder, mode 0700. */
  static async open(dir: string): Promise<KeptFiles> {
    await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
    await Deno.chmod(dir, 0o700);
    return new KeptFiles(dir);
  }

  /** Of each CAR its bytes, and the parts. */
  async list(): Promise<{ cars: ReadonlyMap<string, number>; parts: PartFile[] }> {
    const cars = new Map<string, number>();
    const parts: PartFile[] = [];
    for await (const { name } of Deno.readDir(this.dir)) {
      const info = await Deno.stat(join(this.dir, name)).catch(() => null);
      if (!info?.isFile) continue;
      const [, root, owner] = PART_NAME.exec(name) ?? [];
      if (name.endsWith(CAR)) cars.set(name.slice(0, -CAR.length), info.size);
      else if (root && owner) {
        const at = info.mtime?.getTime() ?? 0;
        parts.push({ root: root as CidText, owner: owner as Address, bytes: info.size, at });
      }
    }
    return { cars, parts };
  }

  /** null when it is not there, or no longer. */
  async openCar(root: string): Promise<Deno.FsFile | null> {
    return await orNull(Deno.open(this.#carPath(root)));
  }

  async removeCar(root: string): Promise<void> {
    await orNull(Deno.remove(this.#carPath(root)));
  }

  /** To be read from its beginning, and written behind what it has. */
  async openPart(part: PartName): Promise<Deno.FsFile> {
    const path = this.#partPath(part);
    return await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  }

  async removePart(part: PartName): Promise<void> {
    await orNull(Deno.remove(this.#partPath(part)));
  }

  /** A part that is whole, and was written to disk, takes its name for good. */
  async keep(part: PartName): Promise<void> {
    await Deno.rename(this.#partPath(part), this.#carPath(part.root));
    await syncFolder(this.dir);
  }

  #carPath(root: string): string {
    return join(this.dir, root + CAR);
  }

  #partPath({ root, owner }: PartName): string {
    return join(this.dir, `${root}.${owner}${PART}`);
  }
}

/** What a file of so many bytes takes of the disk. */
export function diskBytesOf(bytes: number): number {
  return Math.ceil(Math.max(bytes, 1) / DISK_BLOCK_BYTES) * DISK_BLOCK_BYTES;
}

async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
