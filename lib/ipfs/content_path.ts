/** From a root and names to what they lead to, and the blocks that prove it. */
import { type CID, formatCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { type BlockReader, keptBlock } from "./block_reader.ts";
import { findEntry } from "./directory.ts";

export interface ContentPath {
  /** The root, and what each name leads to. */
  roots: CID[];
  /** What the last name leads to; the root where there is none. */
  end: CID;
  /** Blocks to be read before the end, in this order: folders and their shards. */
  before: CID[];
}

/**
 * Follows names through directories, never through symbolic links.
 * @throws KhachapuriError `not_found` when the root is not kept, or a name is not there;
 * `invalid_input` when a directory is malformed
 */
export async function followPath(
  reader: BlockReader,
  root: CID,
  names: readonly string[],
): Promise<ContentPath> {
  const path: ContentPath = { roots: [root], end: root, before: [] };
  let block = await keptBlock(reader, root);
  for (const name of names) {
    const entry = await findEntry(reader, path.end, block, name);
    if (entry === null) throw absent(path.end, name);
    path.before.push(path.end, ...entry.shards);
    path.roots.push(entry.cid);
    path.end = entry.cid;
    block = await keptBlock(reader, entry.cid);
  }
  return path;
}

function absent(directory: CID, name: string): KhachapuriError {
  const message = `${formatCid(directory)} has no ${JSON.stringify(name)}`;
  return new KhachapuriError("not_found", message);
}
