/**
 * What the machine has left, looked at from time to time, and what is refused when that is little:
 * calls before anything is held for them, when there is no disk for the books; sandboxes that are
 * not open yet, when there is no memory for them. A refusal is free and says when to come back.
 */
import { statfs } from "node:fs/promises";
import { KhachapuriError } from "../../errors.ts";
import {
  DISK_FREE_BYTES_LEAST,
  DISK_FREE_FILES_LEAST,
  DISK_FREE_SHARE_LEAST,
  MACHINE_RETRY_SECONDS,
  MEMORY_FREE_BYTES_LEAST,
} from "../../limits_of_machine.ts";
import type { Log } from "../../log.ts";

/** What a disk has; a file system that counts no inodes says 0 of both. */
export interface DiskRoom {
  bytes: number;
  freeBytes: number;
  files: number;
  freeFiles: number;
}

/** Why no call is to be taken on this disk; null when it has room. */
export function diskTrouble({ bytes, freeBytes, files, freeFiles }: DiskRoom): string | null {
  const least = Math.min(DISK_FREE_BYTES_LEAST, bytes * DISK_FREE_SHARE_LEAST);
  if (freeBytes < least) return "the provider's disk is full";
  const leastFiles = Math.min(DISK_FREE_FILES_LEAST, files * DISK_FREE_SHARE_LEAST);
  if (freeFiles < leastFiles) return "the provider's disk has no room for further files";
  return null;
}

/** Why no further sandbox is to be opened; null when there is memory for it. */
export function memoryTrouble({ availableBytes }: { availableBytes: number }): string | null {
  return availableBytes < MEMORY_FREE_BYTES_LEAST ? "the provider is short of memory" : null;
}

/** What the machine has left, bytes; NaN: nobody knows. */
export interface MachineRoom {
  diskFreeBytes: number;
  diskBytes: number;
  memoryAvailableBytes: number;
}

export interface MachineWatchOptions {
  /** Of the disk that the books are on. */
  lookAtDisk(): Promise<DiskRoom>;
  /** Memory that could be had without swapping, bytes. */
  availableBytes(): number;
  /** What is kept on the disk to be given up. */
  ballast: { isGivenUp(): boolean; restore(): boolean };
  /** Why the books can't be written any more in this process; null: they can. */
  failure(): KhachapuriError | null;
  log: Pick<Log, "warn" | "info">;
}

/** Between two looks at the disk, ms. */
const LOOK_MS = 500;

export class MachineWatch {
  readonly #options: MachineWatchOptions;
  #disk: string | null = null;
  #room: DiskRoom | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;
  readonly #failed = Promise.withResolvers<KhachapuriError>();

  constructor(options: MachineWatchOptions) {
    this.#options = options;
  }

  /** Resolves when the books can't be written any more: only a new process goes on from there. */
  get failed(): Promise<KhachapuriError> {
    return this.#failed.promise;
  }

  /** Looks now and from then on; to be closed. */
  async begin(): Promise<void> {
    await this.look();
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => this.#looking = this.begin(), LOOK_MS);
    Deno.unrefTimer(Number(this.#timer));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#looking;
  }

  /** A disk that cannot be looked at is in trouble, too: writes will tell more. */
  async look(): Promise<void> {
    const { lookAtDisk, ballast, failure } = this.#options;
    const failed = failure();
    if (failed) this.#failed.resolve(failed);
    const room = await lookAtDisk().catch(() => null);
    this.#room = room;
    const trouble = room ? diskTrouble(room) : "the provider's disk cannot be looked at";
    this.#note(trouble ?? (ballast.restore() ? null : "the provider's disk is full"));
  }

  /** Why no call is taken; null when they are. */
  refusal(): KhachapuriError | null {
    const { ballast, failure } = this.#options;
    const failed = failure();
    if (failed) return failed;
    // The books have just met a full disk, which the last look did not see.
    if (ballast.isGivenUp()) this.#note("the provider's disk is full");
    return this.#disk === null ? null : refused(this.#disk);
  }

  /** Why no further sandbox is opened; null when one may. */
  sandboxRefusal(): KhachapuriError | null {
    const trouble = memoryTrouble({ availableBytes: this.#options.availableBytes() });
    return trouble === null ? null : refused(trouble);
  }

  /** @throws KhachapuriError where no further sandbox is to be opened */
  assertMemory(): void {
    const refusal = this.sandboxRefusal();
    if (refusal) throw refusal;
  }

  /** What a person must look at. */
  alarms(): string[] {
    return [this.refusal(), this.sandboxRefusal()].flatMap((error) =>
      error ? [error.shortMessage] : []
    );
  }

  /** As it was last looked at. */
  figures(): MachineRoom {
    const { freeBytes = NaN, bytes = NaN } = this.#room ?? {};
    const memoryAvailableBytes = this.#options.availableBytes();
    return { diskFreeBytes: freeBytes, diskBytes: bytes, memoryAvailableBytes };
  }

  #note(trouble: string | null): void {
    if (trouble === this.#disk) return;
    const { log } = this.#options;
    if (trouble !== null) log.warn("calls are refused", { reason: trouble });
    else log.info("calls are taken again");
    this.#disk = trouble;
  }
}

function refused(message: string): KhachapuriError {
  return new KhachapuriError("overloaded", message, { retryAfterSeconds: MACHINE_RETRY_SECONDS });
}

/** The disk that a folder is on, as statfs(2) tells it: what root alone may use is not free. */
export async function roomAt(folder: string): Promise<DiskRoom> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(folder);
  return { bytes: bsize * blocks, freeBytes: bsize * bavail, files, freeFiles: ffree };
}
