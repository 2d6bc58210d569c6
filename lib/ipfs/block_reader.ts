/** Blocks that are kept here, whoever keeps them. */
import { type CID, formatCid, isInline } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";

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

/**
 * The block's bytes, from the cid itself where that carries them.
 * @throws KhachapuriError `not_found`
 */
export async function keptBlock(reader: BlockReader, cid: CID): Promise<Uint8Array> {
  const bytes = isInline(cid) ? cid.multihash.digest : await reader.get(cid);
  if (bytes !== null) return bytes;
  throw new KhachapuriError("not_found", `${formatCid(cid)} is not kept here`);
}
