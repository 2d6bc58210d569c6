/**
 * Nodes with links: dag-pb (https://ipld.io/specs/codecs/dag-pb/spec/) around UnixFS data
 * (https://specs.ipfs.tech/unixfs/). The decoder is as strict as the specifications allow and does
 * work proportional to the block, which is at most 2 MiB.
 */
import type { CID } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { DAG_LINKS_MAX } from "../limits.ts";
import { pushVarint } from "./varint.ts";

/** One link of a node; the target stays undecoded until somebody follows it. */
export interface PbLink {
  hash: Uint8Array;
  name: string;
}

export interface PbNode {
  links: PbLink[];
  data: Uint8Array | null;
}

/** UnixFS `DataType`. */
export const UNIXFS_TYPES = [
  "raw",
  "directory",
  "file",
  "metadata",
  "symlink",
  "hamt-shard",
] as const;
export type UnixfsType = typeof UNIXFS_TYPES[number];

export interface UnixfsData {
  type: UnixfsType;
  data: Uint8Array;
  fileSize: number;
  blockSizes: number[];
  /** Of a shard of a directory: the multicodec of the hash of names, and places for them. */
  hashType: number;
  fanout: number;
}

interface Field {
  number: number;
  /** The payload of wire type 2, or the value of wire type 0; null for fixed-width fields. */
  value: Uint8Array | number | null;
}

const decoder = new TextDecoder("utf-8", { fatal: true });
const NO_BYTES = new Uint8Array();

/**
 * Decodes a dag-pb node. Links may stand before or behind Data, never on both sides of it.
 * @throws KhachapuriError `invalid_input`
 */
export function decodeNode(bytes: Uint8Array): PbNode {
  const links: PbLink[] = [];
  let data: Uint8Array | null = null;
  let linksClosed = false;
  for (const { number, value } of fields(bytes)) {
    if (!(value instanceof Uint8Array)) throw malformed("a node has only length-prefixed fields");
    if (number === 1) {
      if (data !== null) throw malformed("two Data fields in a node");
      data = value;
      linksClosed = links.length > 0;
    } else if (number === 2) {
      if (linksClosed) throw malformed("Links on both sides of Data");
      if (links.length === DAG_LINKS_MAX) throw malformed(`over ${DAG_LINKS_MAX} links in a node`);
      links.push(decodeLink(value));
    } else throw malformed(`unknown field ${number} in a node`);
  }
  return { links, data };
}

function decodeLink(bytes: Uint8Array): PbLink {
  let hash: Uint8Array | null = null;
  let name: string | null = null;
  let previous = 0;
  for (const { number, value } of fields(bytes)) {
    if (number <= previous) throw malformed("fields of a link repeat or are out of order");
    previous = number;
    if (number === 1 && value instanceof Uint8Array) hash = value;
    else if (number === 2 && value instanceof Uint8Array) name = decodeName(value);
    // Tsize is a hint about the subtree's size; nothing here may depend on it.
    else if (!(number === 3 && typeof value === "number")) {
      throw malformed(`unknown field ${number} in a link`);
    }
  }
  if (hash === null) throw malformed("a link without Hash");
  return { hash, name: name ?? "" };
}

function decodeName(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw malformed("a link's name is not UTF-8", cause);
  }
}

/**
 * Decodes the UnixFS message inside a node's Data. Mode and mtime (UnixFS 1.5) are skipped.
 * @throws KhachapuriError `invalid_input`
 */
export function decodeUnixfs(bytes: Uint8Array): UnixfsData {
  let type: UnixfsType | undefined;
  let data: Uint8Array | undefined;
  let fileSize: number | undefined;
  let [hashType, fanout] = [0, 0];
  const blockSizes: number[] = [];
  for (const { number, value } of fields(bytes)) {
    if (number === 1 && typeof value === "number" && type === undefined) {
      type = UNIXFS_TYPES[value];
      if (type === undefined) throw malformed(`unknown UnixFS type ${value}`);
    } else if (number === 2 && value instanceof Uint8Array && data === undefined) {
      data = value;
    } else if (number === 3 && typeof value === "number" && fileSize === undefined) {
      fileSize = value;
    } else if (number === 4 && value !== null) {
      pushBlockSizes(blockSizes, value);
    } else if (number === 5 && typeof value === "number") {
      hashType = value;
    } else if (number === 6 && typeof value === "number") {
      fanout = value;
    } else if (number <= 4) {
      throw malformed(`field ${number} of UnixFS data is repeated or of the wrong type`);
    }
  }
  if (type === undefined) throw malformed("UnixFS data without a type");
  return { type, data: data ?? NO_BYTES, fileSize: fileSize ?? 0, blockSizes, hashType, fanout };
}

/** Writers differ: one field a size, or all of them packed into one. */
function pushBlockSizes(sizes: number[], value: Uint8Array | number): void {
  if (typeof value === "number") {
    sizes.push(value);
  } else {
    for (let at = 0; at < value.length;) {
      const [size, next] = varintAt(value, at);
      sizes.push(size);
      at = next;
    }
  }
  if (sizes.length > DAG_LINKS_MAX) throw malformed(`over ${DAG_LINKS_MAX} block sizes in a node`);
}

/** The fields of a protobuf message, with the wire types of proto3. */
function* fields(bytes: Uint8Array): Generator<Field> {
  for (let at = 0; at < bytes.length;) {
    const [key, start] = varintAt(bytes, at);
    const number = Math.floor(key / 8);
    if (number < 1) throw malformed("field number 0");
    const wireType = key % 8;
    if (wireType === 0) {
      const [value, next] = varintAt(bytes, start);
      yield { number, value };
      at = next;
    } else if (wireType === 2) {
      const [length, payload] = varintAt(bytes, start);
      if (length > bytes.length - payload) throw malformed("a field is longer than its message");
      yield { number, value: bytes.subarray(payload, payload + length) };
      at = payload + length;
    } else if (wireType === 1 || wireType === 5) {
      at = start + (wireType === 1 ? 8 : 4);
      if (at > bytes.length) throw malformed("a field is longer than its message");
      yield { number, value: null };
    } else throw malformed(`unknown wire type ${wireType}`);
  }
}

/**
 * The varint at `at` and the offset behind it. Beyond 2^53 the value is approximate, which is
 * enough: every such number is over every limit.
 */
function varintAt(bytes: Uint8Array, at: number): [number, number] {
  let value = 0;
  for (let index = 0; index < 10; index++) {
    const byte = bytes[at + index];
    if (byte === undefined) throw malformed("a varint is cut off");
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return [value, at + index + 1];
  }
  throw malformed("a varint is longer than 64 bits");
}

/** A child of a file node as its parent records it. */
export interface FileChild {
  cid: CID;
  /** Bytes of the file below it. */
  fileBytes: number;
  /** Bytes of all blocks below it and itself: the link's Tsize. */
  treeBytes: number;
}

/** Encodes the inner node of a file, byte for byte as Kubo does (empty names, sizes unpacked). */
export function encodeFileNode(children: readonly FileChild[]): Uint8Array {
  const node: number[] = [];
  const unixfs: number[] = [0x08, UNIXFS_TYPES.indexOf("file"), 0x18];
  pushVarint(unixfs, children.reduce((sum, child) => sum + child.fileBytes, 0));
  for (const { cid, fileBytes, treeBytes } of children) {
    const link: number[] = [0x0a, cid.bytes.length, ...cid.bytes, 0x12, 0, 0x18];
    pushVarint(link, treeBytes);
    node.push(0x12, link.length, ...link);
    unixfs.push(0x20);
    pushVarint(unixfs, fileBytes);
  }
  node.push(0x0a);
  pushVarint(node, unixfs.length);
  for (const byte of unixfs) node.push(byte);
  return Uint8Array.from(node);
}

function malformed(what: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("invalid_input", `not a valid UnixFS node: ${what}`, { cause });
}
