/**
 * Blocks that other nodes of the provider may give to somebody: what this node gives out, too,
 * whichever of them has it. Each block is checked as it comes.
 */
import type { Address } from "viem";
import { type CID, type CidText, formatCid, isContentOf } from "../../cid.ts";
import type { BlockReader } from "../../ipfs/block_reader.ts";
import type { Peer, Peers } from "../../ipfs/peers.ts";
import { BLOCK_BYTES_MAX } from "../../limits_of_peers.ts";
import { CONTENT_PREFIX } from "./gateway_request.ts";

/** For whom a peer reads: for anybody, or an owner what it has kept of a root. */
export const READER_FIELD = "khachapuri-reader";
export const ANYBODY = "anybody";

export function ownerReader(owner: Address, root: CidText): string {
  return `${owner} ${root}`;
}

/** A node that is slower is passed over, ms. */
const PATIENCE_MS = 2_000;

export class PeerBlocks implements BlockReader {
  /** That has had the last block: it has the next, too, as a rule. */
  #last: Peer | null = null;

  /** @param reader `ANYBODY`, or an owner (`ownerReader`) */
  constructor(private readonly peers: Pick<Peers, "orderFor">, private readonly reader: string) {}

  async get(cid: CID): Promise<Uint8Array | null> {
    const { peers } = this.peers.orderFor(cid);
    const isLast = ({ operator }: Peer) => operator === this.#last?.operator;
    const inTurn = [...peers.filter(isLast), ...peers.filter((peer) => !isLast(peer))];
    for (const peer of inTurn) {
      const bytes = await this.#ask(peer, cid).catch(() => null);
      if (bytes === null || !isContentOf(cid, bytes)) continue;
      this.#last = peer;
      return bytes;
    }
    return null;
  }

  async #ask({ forWhatIsThere: { base, ownFields } }: Peer, cid: CID): Promise<Uint8Array | null> {
    const path = `${CONTENT_PREFIX.slice(1)}${formatCid(cid)}?format=raw`;
    const response = await fetch(new URL(path, base), {
      headers: { ...ownFields, [READER_FIELD]: this.reader },
      signal: AbortSignal.timeout(PATIENCE_MS),
      redirect: "error",
    });
    if (response.status === 200) return await readUpTo(response, BLOCK_BYTES_MAX);
    await response.body?.cancel();
    return null;
  }
}

/** @returns null for more */
async function readUpTo(response: Response, bytesMax: number): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > bytesMax) return null;
    parts.push(part);
  }
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}
