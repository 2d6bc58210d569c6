/** A DAG out of its blocks, wherever they come from: files, folders and parts of files. */
import {
  type Block,
  blockKey,
  type CID,
  DAG_PB,
  decodeCid,
  formatCid,
  isInline,
  RAW,
} from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Dag } from "../../ipfs/dag.ts";
import { decodeNode } from "../../ipfs/dag_pb.ts";
import { DAG_VISITS_MAX } from "../../limits.ts";

/**
 * Every block from the root down, each once, a parent before its children.
 * @param get the bytes of a block, verified
 * @throws KhachapuriError `invalid_input` for content of another kind, or larger; what `get` throws
 */
export async function walkDag(
  root: CID,
  get: (cid: CID) => Uint8Array | Promise<Uint8Array>,
  bytesMax: number,
): Promise<Dag> {
  const blocks = new Map<string, Block>();
  let size = 0;
  const pending = [root];
  for (let cid = pending.pop(); cid !== undefined; cid = pending.pop()) {
    const key = blockKey(cid);
    if (isInline(cid) || blocks.has(key)) continue;
    const bytes = await get(cid);
    size += bytes.length;
    if (size > bytesMax) throw unfit(root, `it has more than ${bytesMax} bytes`);
    blocks.set(key, { cid, bytes });
    if (blocks.size > DAG_VISITS_MAX) throw unfit(root, `it has over ${DAG_VISITS_MAX} blocks`);
    pending.push(...childrenOf(root, cid, bytes).reverse());
  }
  return { root, blocks: [...blocks.values()] };
}

/**
 * The DAG below `root` out of verified blocks, of which there may be more.
 * @throws KhachapuriError `not_found` when one is missing; as `walkDag`
 */
export function assembleDag(root: CID, blocks: Iterable<Block>, bytesMax: number): Promise<Dag> {
  const have = new Map<string, Uint8Array>();
  for (const { cid, bytes } of blocks) have.set(blockKey(cid), bytes);
  const get = (cid: CID) => {
    const bytes = have.get(blockKey(cid));
    if (bytes) return bytes;
    throw new KhachapuriError("not_found", `${formatCid(root)} lacks its block ${formatCid(cid)}`);
  };
  return walkDag(root, get, bytesMax);
}

function childrenOf(root: CID, cid: CID, bytes: Uint8Array): CID[] {
  if (cid.code === RAW) return [];
  if (cid.code !== DAG_PB) {
    throw unfit(root, `it has a part of another kind (0x${cid.code.toString(16)})`);
  }
  try {
    return decodeNode(bytes).links.map(({ hash }) => decodeCid(hash).cid);
  } catch (cause) {
    throw unfit(root, cause instanceof Error ? cause.message : String(cause));
  }
}

function unfit(root: CID, why: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `${formatCid(root)} can't be copied: ${why}`);
}
