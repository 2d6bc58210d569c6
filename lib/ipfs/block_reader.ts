/** Blocks that are kept here, whoever keeps them. */
import type { CID } from "../cid.ts";

export interface BlockReader {
  /**
   * The block's bytes, checked against `cid` again when they are read; null when it is not kept
   * here. They may be shared with other readers and must not be changed.
   */
  get(cid: CID): Promise<Uint8Array | null>;
}

/** Asks one after the other, in this order. */
export function readersInTurn(readers: readonly BlockReader[]): BlockReader {
  return {
    async get(cid) {
      for (const reader of readers) {
        const bytes = await reader.get(cid);
        if (bytes !== null) return bytes;
      }
      return null;
    },
  };
}
