/**
 * Names in UnixFS directories (https://specs.ipfs.tech/unixfs/), in one block or sharded over many
 * by the hash of the name (a HAMT). Blocks may be hostile: a lookup reads one shard a level.
 */
import { murmur364 } from "@multiformats/murmur3";
import { type CID, formatCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { DIRECTORY_FANOUT_MAX } from "../limits_of_content.ts";
import { type BlockReader, keptBlock } from "./block_reader.ts";
import { DAG_PB, decodeContentCid } from "./content_cid.ts";
import { decodeNode, decodeUnixfs, type PbLink, type PbNode, type UnixfsData } from "./dag_pb.ts";

/** A node and what UnixFS says of it; null where it is no UnixFS. */
export interface ReadNode {
  node: PbNode;
  unixfs: UnixfsData | null;
}

/** Where a name of a directory leads. */
export interface Entry {
  cid: CID;
  /** Shards between the directory and the name, outer ones first. */
  shards: CID[];
}

/** Multicodec of murmur3-x64-64, by which names are spread over shards. */
const MURMUR3 = 0x22;
const HASH_BITS = 64;

/**
 * Looks a name up in the directory whose root is `cid`, in `block`.
 * @returns null when the directory has no such name
 * @throws KhachapuriError `not_found` when `cid` is no directory, or a shard is not kept;
 * `invalid_input` when one is malformed
 */
export async function findEntry(
  reader: BlockReader,
  cid: CID,
  block: Uint8Array,
  name: string,
): Promise<Entry | null> {
  const read = cid.code === DAG_PB ? readDagPb(block) : null;
  const type = read?.unixfs?.type;
  if (type === "directory") return entryOf(linkNamed(read!.node, name), []);
  if (type === "hamt-shard") return await findSharded(reader, read!, name);
  throw new KhachapuriError("not_found", `${formatCid(cid)} is ${whatIs(type)}, and no directory`);
}

/** @throws KhachapuriError `invalid_input` when it is no dag-pb */
export function readDagPb(block: Uint8Array): ReadNode {
  const node = decodeNode(block);
  try {
    return { node, unixfs: node.data === null ? null : decodeUnixfs(node.data) };
  } catch {
    return { node, unixfs: null };
  }
}

/** Characters before each name in a shard: the place that the name's hash gives it, in hex. */
export function shardPrefixLength({ fanout, hashType }: UnixfsData): number {
  const isUsual = fanout >= 8 && fanout <= DIRECTORY_FANOUT_MAX && (fanout & (fanout - 1)) === 0;
  if (!isUsual) throw malformed(`a fanout of ${fanout}`);
  if (hashType !== MURMUR3) throw malformed(`names by hash 0x${hashType.toString(16)}`);
  return (fanout - 1).toString(16).length;
}

async function findSharded(
  reader: BlockReader,
  root: ReadNode,
  name: string,
): Promise<Entry | null> {
  const { digest } = await murmur364.digest(new TextEncoder().encode(name));
  const shards: CID[] = [];
  let shard = root;
  for (let usedBits = 0; usedBits < HASH_BITS;) {
    const length = shardPrefixLength(shard.unixfs!);
    const bits = Math.log2(shard.unixfs!.fanout);
    const prefix = bitsOf(digest, usedBits, bits).toString(16).toUpperCase().padStart(length, "0");
    usedBits += bits;
    const named = linkNamed(shard.node, prefix + name);
    if (named !== null) return entryOf(named, shards);
    const deeper = linkNamed(shard.node, prefix);
    if (deeper === null) return null;
    const cid = linkCid(deeper);
    shards.push(cid);
    shard = readDagPb(await keptBlock(reader, cid));
    if (shard.unixfs?.type !== "hamt-shard") throw malformed("a shard that is none");
  }
  throw malformed("shards below the last bit of a name's hash");
}

/** The `count` bits behind the first `from` of the hash, the first the highest. */
function bitsOf(hash: Uint8Array, from: number, count: number): number {
  let value = 0;
  for (let bit = from; bit < Math.min(from + count, HASH_BITS); bit++) {
    value = value * 2 + ((hash[bit >> 3]! >> (7 - (bit & 7))) & 1);
  }
  return value;
}

function linkNamed({ links }: PbNode, name: string): PbLink | null {
  return links.find((link) => link.name === name) ?? null;
}

function entryOf(link: PbLink | null, shards: CID[]): Entry | null {
  return link === null ? null : { cid: linkCid(link), shards };
}

function linkCid({ hash }: PbLink): CID {
  const { cid, length } = decodeContentCid(hash.slice());
  if (length !== hash.length) throw malformed("a link with bytes behind its cid");
  return cid;
}

function whatIs(type: UnixfsData["type"] | undefined): string {
  if (type === "symlink") return "a symbolic link, which is not followed";
  if (type === undefined) return "no UnixFS";
  return `a ${type}`;
}

function malformed(what: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `not a directory that we read: ${what}`);
}
