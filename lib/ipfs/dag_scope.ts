/** Which of a block's links belong to what is asked for (`dag-scope` of the specification). */
import { type CID, RAW } from "../cid.ts";
import { type AskedRange, type ByteRange, rangeWithin } from "./byte_range.ts";
import { DAG_PB } from "./content_cid.ts";
import type { UnixfsData } from "./dag_pb.ts";
import { readDagPb, type ReadNode, shardPrefixLength } from "./directory.ts";
import { linksOf } from "./links.ts";
import { WaitingLinks } from "./waiting_links.ts";

/** One block; what it takes to read a file or list a folder; all below it. */
export type DagScope = "block" | "entity" | "all";

export interface Scoped {
  readonly scope: DagScope;
  /** Of a file so much, where the scope is an entity. */
  readonly range: AskedRange | null;
}

/** Whether all below a block is wanted that begins at a byte of the file, or some. */
export interface Wanted {
  links: WaitingLinks;
  isWhole: boolean;
}

/**
 * The links to follow of a block.
 * @param at where in the file the block begins
 * @throws KhachapuriError `invalid_input` when it is malformed, `not_implemented` when it is of a
 * codec that is not read
 */
export type Follow = (cid: CID, block: Uint8Array, at: number) => Wanted;

const NOTHING: Wanted = { links: new WaitingLinks([]), isWhole: true };

/**
 * @param end what the path leads to, and its block
 * @throws KhachapuriError `invalid_input` when the file ends before the range begins
 */
export function followOf({ scope, range }: Scoped, end: CID, block: Uint8Array): Follow {
  if (scope === "all") return (cid, bytes) => whole(linksOf(cid, bytes));
  if (scope === "block") return () => NOTHING;
  if (end.code === RAW) {
    if (range) rangeWithin(range, block.length);
    return () => NOTHING;
  }
  const unixfs = end.code === DAG_PB ? unixfsOf(block) : null;
  if (unixfs?.type === "hamt-shard") return followShards;
  if (unixfs?.type !== "file" && unixfs?.type !== "raw") return () => NOTHING;
  if (range === null) return (cid, bytes) => whole(linksOf(cid, bytes));
  const within = rangeWithin(range, unixfs.fileSize);
  if (within === null) return () => NOTHING;
  return (cid, bytes, at) => followRange(within, cid, bytes, at);
}

function whole(links: Uint8Array[]): Wanted {
  return { links: new WaitingLinks(links), isWhole: true };
}

function unixfsOf(block: Uint8Array): UnixfsData | null {
  return readDagPb(block).unixfs;
}

/** Of a shard its shards: they hold the names, and the files are not wanted. */
function followShards(cid: CID, block: Uint8Array): Wanted {
  if (cid.code !== DAG_PB) return NOTHING;
  const { node, unixfs } = readDagPb(block);
  if (unixfs?.type !== "hamt-shard") return NOTHING;
  const length = shardPrefixLength(unixfs);
  return whole(node.links.filter(({ name }) => name.length === length).map(({ hash }) => hash));
}

/** Of a file's node the links below which bytes of the range are. */
function followRange(range: ByteRange, cid: CID, block: Uint8Array, at: number): Wanted {
  if (cid.code !== DAG_PB) return NOTHING;
  const { node, unixfs } = readDagPb(block);
  if (unixfs === null || unixfs.blockSizes.length !== node.links.length) return NOTHING;
  const [links, starts] = overlapping(range, node, unixfs, at);
  const isWhole = at >= range.from && at + unixfs.fileSize - 1 <= range.to;
  return { links: new WaitingLinks(links, starts), isWhole };
}

function overlapping(
  { from, to }: ByteRange,
  { links }: ReadNode["node"],
  { data, blockSizes }: UnixfsData,
  at: number,
): [Uint8Array[], number[]] {
  const wanted: Uint8Array[] = [];
  const starts: number[] = [];
  let start = at + data.length;
  for (const [index, { hash }] of links.entries()) {
    const next = start + blockSizes[index]!;
    if (next > start && start <= to && next > from) {
      wanted.push(hash);
      starts.push(start);
    }
    start = next;
  }
  return [wanted, starts];
}
