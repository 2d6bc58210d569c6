/**
 * What has come of pushes that broke off: kept for an hour, so that they can go on, and given up
 * before that when somebody needs the room.
 */
import type { Address } from "viem";
import { parseCid } from "../../cid.ts";
import { Leisure } from "../../leisure.ts";
import { PUSH_PART_MS } from "../../limits_of_content.ts";
import { CarIntake, type TakeBytes, takingInto } from "./car_intake.ts";
import { diskBytesOf, type KeptFiles, type PartFile, type PartName } from "./kept_files.ts";

interface Part extends PartFile {
  /** Whether all of its bytes are whole blocks that were checked. */
  readonly isChecked: boolean;
}

/** Read at a time. */
const PIECE_BYTES = 256 * 1024;

export class Parts {
  readonly #parts = new Map<string, Part>();

  private constructor(private readonly files: KeptFiles, private readonly now: () => number) {}

  /** Those that an earlier process left. */
  static async open(files: KeptFiles, now: () => number): Promise<Parts> {
    const parts = new Parts(files, now);
    for (const part of (await files.list()).parts) {
      parts.#parts.set(keyOf(part), { ...part, isChecked: false });
    }
    await parts.sweep();
    return parts;
  }

  has(name: PartName): boolean {
    return this.#parts.has(keyOf(name));
  }

  /** What they take of the disk, of all owners or of one. */
  diskBytes(owner?: Address): number {
    const counted = [...this.#parts.values()].filter((part) => !owner || part.owner === owner);
    return counted.reduce((sum, { bytes }) => sum + diskBytesOf(bytes), 0);
  }

  /** Somebody goes on with it: it is no longer here. */
  take(name: PartName): void {
    this.#parts.delete(keyOf(name));
  }

  /** What has come of a push that broke off: whole blocks that were checked. */
  put(name: PartName, bytes: number): void {
    const { root, owner } = name;
    this.#parts.set(keyOf(name), { root, owner, bytes, at: this.now(), isChecked: true });
  }

  /**
   * How many bytes need not come again: up to the end of the last whole block that was checked.
   * @param carBytes of the whole CAR
   */
  async verified(name: PartName, carBytes: number): Promise<number> {
    const part = this.#parts.get(keyOf(name));
    if (!part) return 0;
    if (part.isChecked) return part.bytes;
    using file = await this.files.openPart(name);
    const intake = new CarIntake(parseCid(name.root), Math.max(carBytes, part.bytes));
    await takeFrom(file, part.bytes, takingInto(intake, new Leisure())).catch(() => {});
    // Somebody may have gone on with it meanwhile.
    if (this.#parts.get(keyOf(name)) !== part) return 0;
    await file.truncate(intake.verified);
    this.put(name, intake.verified);
    return intake.verified;
  }

  /** Gives up an owner's, or all, the oldest first, until `fits`. */
  async giveUp(fits: () => boolean, owner?: Address): Promise<void> {
    const oldest = [...this.#parts.values()].sort((one, other) => one.at - other.at);
    for (const part of oldest) {
      if (fits()) return;
      if (!owner || part.owner === owner) await this.#remove(part);
    }
  }

  /** Gives up those that nobody went on with. */
  async sweep(): Promise<void> {
    const now = this.now();
    for (const part of [...this.#parts.values()]) {
      if (now - part.at >= PUSH_PART_MS) await this.#remove(part);
    }
  }

  async #remove(part: Part): Promise<void> {
    if (!this.#parts.delete(keyOf(part))) return;
    await this.files.removePart(part);
  }
}

/**
 * Takes what a file has at its beginning, as if it came.
 * @throws KhachapuriError as `take` does
 */
export async function takeFrom(
  file: Deno.FsFile,
  bytes: number,
  take: TakeBytes,
): Promise<void> {
  await file.seek(0, Deno.SeekMode.Start);
  const piece = new Uint8Array(PIECE_BYTES);
  for (let left = bytes; left > 0;) {
    const came = await file.read(piece.subarray(0, left));
    if (came === null) return;
    await take(piece.subarray(0, came));
    left -= came;
  }
}

function keyOf({ root, owner }: PartName): string {
  return `${root} ${owner}`;
}
