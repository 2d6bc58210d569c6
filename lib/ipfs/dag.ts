/**
 * Files as DAGs, deterministically: the profile `unixfs-v1-2025` (IPIP-0499), that is CIDv1,
 * sha2-256, chunks of 1 MiB, raw leaves, balanced layout 1,024 wide. The same bytes give the same
 * CID here as in any other implementation of the profile.
 */
import { type Block, type CID, cidOf, DAG_PB, RAW } from "../cid.ts";
import { encodeFileNode, type FileChild } from "./dag_pb.ts";

/** How a file is cut and its leaves are gathered. */
export interface Layout {
  chunkBytes: number;
  /** Children of one inner node. */
  widthMax: number;
}

const UNIXFS_V1_2025: Layout = { chunkBytes: 1024 * 1024, widthMax: 1_024 };

/** A root and every block below it, each once, a parent before its children. */
export interface Dag {
  root: CID;
  blocks: Block[];
}

interface Subtree extends FileChild {
  /** Its blocks depth first. */
  blocks: Block[];
}

/**
 * Cuts a file into blocks; leaves are views of `bytes`, not copies.
 * @param bytes the file
 * @param layout other values give another CID for the same file
 */
export function importFile(bytes: Uint8Array, layout: Layout = UNIXFS_V1_2025): Dag {
  const { chunkBytes, widthMax } = layout;
  let level: Subtree[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += chunkBytes) {
    level.push(leaf(bytes.subarray(at, at + chunkBytes)));
  }
  while (level.length > 1) {
    const parents: Subtree[] = [];
    for (let at = 0; at < level.length; at += widthMax) {
      parents.push(parent(level.slice(at, at + widthMax)));
    }
    level = parents;
  }
  const top = level[0]!;
  const unique = new Map(top.blocks.map((block) => [block.cid.toString(), block]));
  return { root: top.cid, blocks: [...unique.values()] };
}

function leaf(bytes: Uint8Array): Subtree {
  const cid = cidOf(RAW, bytes);
  return { cid, fileBytes: bytes.length, treeBytes: bytes.length, blocks: [{ cid, bytes }] };
}

function parent(children: Subtree[]): Subtree {
  const bytes = encodeFileNode(children);
  const cid = cidOf(DAG_PB, bytes);
  const sum = (of: (child: Subtree) => number) => children.reduce((all, one) => all + of(one), 0);
  return {
    cid,
    fileBytes: sum((child) => child.fileBytes),
    treeBytes: bytes.length + sum((child) => child.treeBytes),
    blocks: [{ cid, bytes }, ...children.flatMap((child) => child.blocks)],
  };
}
