/** Links of one node that a walk has still to follow, copied close together out of its block. */
import type { CID } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { decodeContentCid } from "./content_cid.ts";

/** Where a link leads, and at which byte of the file what is below it begins. */
export interface FollowedLink {
  cid: CID;
  at: number;
}

/** Its length stands in one byte. */
const LONGEST_LINK_BYTES = 0xff;

export class WaitingLinks {
  readonly #packed: Uint8Array;
  readonly #lengths: Uint8Array;
  readonly #at: Float64Array | null;
  #taken = 0;
  #offset = 0;

  /**
   * @param links cids in their bytes; views of a block, which may be given up
   * @param at where each begins in the file; where that does not matter, null
   * @throws KhachapuriError `invalid_input` for a cid that is longer than any
   */
  constructor(links: readonly Uint8Array[], at: readonly number[] | null = null) {
    const bytes = links.reduce((sum, { length }) => sum + length, 0);
    if (links.some(({ length }) => length > LONGEST_LINK_BYTES)) throw malformed("a cid too long");
    this.#packed = new Uint8Array(bytes);
    this.#lengths = Uint8Array.from(links, ({ length }) => length);
    this.#at = at && Float64Array.from(at);
    let offset = 0;
    for (const link of links) {
      this.#packed.set(link, offset);
      offset += link.length;
    }
  }

  /** How many are left. */
  get size(): number {
    return this.#lengths.length - this.#taken;
  }

  /**
   * @returns null when none is left
   * @throws KhachapuriError `invalid_cid`, `invalid_input`
   */
  next(): FollowedLink | null {
    const length = this.#lengths[this.#taken];
    if (length === undefined) return null;
    // A copy: who keeps the cid should not keep all links.
    const bytes = this.#packed.slice(this.#offset, this.#offset + length);
    const { cid, length: read } = decodeContentCid(bytes);
    if (read !== length) throw malformed("bytes behind its cid");
    const at = this.#at?.[this.#taken] ?? 0;
    this.#taken += 1;
    this.#offset += length;
    return { cid, at };
  }
}

function malformed(what: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `not a link that can be followed: ${what}`);
}
