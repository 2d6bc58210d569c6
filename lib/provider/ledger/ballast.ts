/**
 * Room on the disk that is taken as long as there is some, and given up when there is none: then
 * what already runs can be written down, whoever has filled the disk.
 */
import { isFull } from "../../files.ts";
import { BALLAST_BYTES } from "../../limits_of_machine.ts";

/** File systems that compress, or leave out zeros, make none of it smaller. */
const NOISE = crypto.getRandomValues(new Uint8Array(65_536));

export class Ballast {
  #isGivenUp = true;
  #isLeft = false;

  /** Takes the room at `path` if the disk has it. */
  constructor(private readonly path: string, private readonly bytes = BALLAST_BYTES) {
    this.restore();
  }

  /** Whether it is to be had again. */
  isGivenUp(): boolean {
    return this.#isGivenUp && !this.#isLeft;
  }

  /** Whoever opens the ledger next has the file: what that one gives up is not taken back here. */
  leave(): void {
    this.#isLeft = true;
  }

  /** @returns whether that made room: it may have been given up before */
  giveUp(): boolean {
    if (this.#isGivenUp || this.#isLeft) return false;
    this.#isGivenUp = true;
    try {
      Deno.truncateSync(this.path, 0);
      return true;
    } catch {
      return false;
    }
  }

  /** Takes it again. @returns whether it is there */
  restore(): boolean {
    if (!this.#isGivenUp || this.#isLeft) return true;
    try {
      const options = { create: true, write: true, mode: 0o600 };
      using file = Deno.openSync(this.path, options);
      if (file.statSync().size !== this.bytes) this.#fill(file);
      this.#isGivenUp = false;
    } catch (error) {
      if (isFull(error)) this.#empty();
      else throw error;
    }
    return !this.#isGivenUp;
  }

  #fill(file: Deno.FsFile): void {
    file.truncateSync(0);
    for (let written = 0; written < this.bytes;) {
      written += file.writeSync(NOISE.subarray(0, Math.min(NOISE.length, this.bytes - written)));
    }
  }

  /** A part of it would only be in the way. */
  #empty(): void {
    try {
      Deno.truncateSync(this.path, 0);
    } catch {
      // There may not even be the file.
    }
  }
}
