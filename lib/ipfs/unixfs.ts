/**
 * Reading a file out of a DAG (https://specs.ipfs.tech/unixfs/). Blocks come from anywhere, are
 * verified by their source, and may still be hostile: depth, width, visits and size are bounded,
 * and every visit below the root yields at least one byte, so the size bounds the walk.
 */
import { type Block, blockKey, type CID, decodeCid, formatCid, isInline, RAW } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { DAG_DEPTH_MAX, DAG_VISITS_MAX } from "../limits.ts";
import { decodeNode, decodeUnixfs, type PbNode, type UnixfsData } from "./dag_pb.ts";

/** Where blocks come from. */
export interface BlockSource {
  /** The bytes of `cid`, verified. */
  get(cid: CID): Promise<Uint8Array> | Uint8Array;
  /**
   * Puts the bytes of a leaf to `place`, which is as long as the leaf is said to be. What is read
   * on meanwhile is worth nothing unless all that was read turns out to be verified.
   */
  getLeaf?(cid: CID, place: Uint8Array): Promise<Leaf>;
  /** Says ahead which blocks come next, in order, and how many bytes of a file they hold. */
  announce?(children: readonly CID[], fileBytes: number): void;
}

/** A leaf as it came, or as it comes. */
export interface Leaf {
  /** `place`, which may be filled later, or bytes elsewhere, which may be more or less. */
  bytes: Uint8Array;
  /** Resolves when the bytes are here; rejects when they are not the content of the cid. */
  verified: Promise<void>;
}

/** A whole file and the blocks that prove it: each once, in depth-first order. */
export interface UnixfsFile {
  bytes: Uint8Array;
  blocks: Block[];
}

/** What became of reading a file that may have a largest size. */
export type BoundedRead =
  | { kind: "read"; file: UnixfsFile }
  /** `fileBytes` is what its root says; nothing below the root was read. */
  | { kind: "too large"; fileBytes: number };

/** Leaves that are on their way or hashed beside the next: further ones would only take memory. */
const CHECKS_BESIDE = 2;

/** One node of a file, as far as it was checked. */
export interface FileNode {
  data: Uint8Array;
  children: { cid: CID; fileBytes: number }[];
  fileBytes: number;
}

interface Walk {
  source: BlockSource;
  output: Uint8Array;
  /** Bytes of `output` written so far. */
  written: number;
  visits: number;
  /** Of leaves, begun and not awaited. */
  checks: Promise<void>[];
  /** Every block used so far: a file may use one many times, a transfer may carry it once. */
  used: Map<string, Block>;
}

/**
 * Reads the file whose root is `root`.
 * @param maxBytes refuses a larger file as soon as its root is known
 * @throws KhachapuriError `invalid_input` when the content is no file that we read (final: the
 * same CID gives the same answer everywhere), with `data.fileBytes` when it is larger than
 * `maxBytes`; and whatever `source` throws
 */
export async function readUnixfsFile(
  root: CID,
  source: BlockSource,
  maxBytes: number,
): Promise<UnixfsFile> {
  const read = await readBoundedFile(root, source, maxBytes);
  if (read.kind === "too large") throw tooLarge(read.fileBytes, maxBytes);
  return read.file;
}

/**
 * Like `readUnixfsFile`, for a caller that has to tell too large a file from a broken one.
 * @throws KhachapuriError `invalid_input`, and whatever `source` throws
 */
export async function readBoundedFile(
  root: CID,
  source: BlockSource,
  maxBytes: number,
): Promise<BoundedRead> {
  const block = await source.get(root);
  if (root.code === RAW) {
    if (block.length > maxBytes) return { kind: "too large", fileBytes: block.length };
    return { kind: "read", file: { bytes: block, blocks: [{ cid: root, bytes: block }] } };
  }
  const node = readFileNode(root, block);
  if (node.fileBytes > maxBytes) return { kind: "too large", fileBytes: node.fileBytes };
  const walk: Walk = {
    source,
    output: new Uint8Array(node.fileBytes),
    written: 0,
    visits: 0,
    checks: [],
    used: new Map([[blockKey(root), { cid: root, bytes: block }]]),
  };
  await visitNode(walk, node, 1);
  await Promise.all(walk.checks);
  return { kind: "read", file: { bytes: walk.output, blocks: [...walk.used.values()] } };
}

async function visitNode(walk: Walk, node: FileNode, depth: number): Promise<void> {
  walk.output.set(node.data, walk.written);
  walk.written += node.data.length;
  walk.source.announce?.(node.children.map((child) => child.cid), node.fileBytes);
  for (const { cid, fileBytes } of node.children) {
    if (depth === DAG_DEPTH_MAX) throw unreadable(cid, `deeper than ${DAG_DEPTH_MAX} levels`);
    if (++walk.visits > DAG_VISITS_MAX) throw unreadable(cid, `over ${DAG_VISITS_MAX} nodes`);
    if (cid.code === RAW) await visitLeaf(walk, cid, fileBytes);
    else {
      const bytes = walk.used.get(blockKey(cid))?.bytes ?? await fetchBlock(walk, cid);
      const child = readFileNode(cid, bytes);
      if (child.fileBytes !== fileBytes) throw sizeLie(cid, fileBytes, child.fileBytes);
      if (!isInline(cid) && !walk.used.has(blockKey(cid))) {
        // A copy, since the source may have cut the block out of something much larger.
        walk.used.set(blockKey(cid), { cid, bytes: bytes.slice() });
      }
      await visitNode(walk, child, depth + 1);
    }
  }
}

/** Leaves are remembered as views of the output, so that a file is not held twice. */
async function visitLeaf(walk: Walk, cid: CID, fileBytes: number): Promise<void> {
  const end = walk.written + fileBytes;
  const place = walk.output.subarray(walk.written, end);
  const bytes = await readLeaf(walk, cid, place);
  if (bytes.length !== fileBytes) throw sizeLie(cid, fileBytes, bytes.length);
  if (bytes !== place) place.set(bytes);
  if (!isInline(cid) && !walk.used.has(blockKey(cid))) {
    walk.used.set(blockKey(cid), { cid, bytes: place });
  }
  walk.written = end;
}

/** Verified already, or among the walk's checks if it is as long as `place`. */
async function readLeaf(walk: Walk, cid: CID, place: Uint8Array): Promise<Uint8Array> {
  const { source, checks } = walk;
  const used = walk.used.get(blockKey(cid));
  if (used) {
    // It may be among those that are on their way.
    await Promise.all(checks.splice(0));
    return used.bytes;
  }
  if (isInline(cid) || !source.getLeaf || place.length === 0) return await fetchBlock(walk, cid);
  const { bytes, verified } = await source.getLeaf(cid, place);
  if (bytes.length !== place.length) await verified;
  else checks.push(verified);
  if (checks.length > CHECKS_BESIDE) await checks.shift();
  return bytes;
}

function fetchBlock(walk: Walk, cid: CID): Promise<Uint8Array> | Uint8Array {
  return isInline(cid) ? cid.multihash.digest : walk.source.get(cid);
}

/** Decodes and checks everything that one node of a file says about itself. */
export function readFileNode(cid: CID, bytes: Uint8Array): FileNode {
  const { node, unixfs } = readNode(cid, bytes);
  const { type, data, fileSize, blockSizes } = unixfs;
  if (type !== "file" && type !== "raw") {
    throw unreadable(cid, `it is a ${type}; name the CID of the file itself`);
  }
  const children = node.links.map((link, index) => {
    if (link.name !== "") throw unreadable(cid, "a named link inside a file");
    const fileBytes = blockSizes[index] ?? 0;
    if (fileBytes === 0 && node.links.length > 1) throw unreadable(cid, "an empty part in a file");
    return { cid: decodeLinkCid(cid, link.hash), fileBytes };
  });
  if (blockSizes.length !== children.length) {
    throw unreadable(cid, `${children.length} links but ${blockSizes.length} block sizes`);
  }
  const sum = blockSizes.reduce((total, size) => total + size, data.length);
  if (sum !== fileSize) throw sizeLie(cid, fileSize, sum);
  return { data, children, fileBytes: fileSize };
}

function readNode(cid: CID, bytes: Uint8Array): { node: PbNode; unixfs: UnixfsData } {
  try {
    const node = decodeNode(bytes);
    return { node, unixfs: decodeUnixfs(node.data ?? new Uint8Array()) };
  } catch (cause) {
    throw unreadable(cid, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function decodeLinkCid(cid: CID, hash: Uint8Array): CID {
  try {
    const link = decodeCid(hash);
    if (link.length === hash.length) return link.cid;
  } catch (cause) {
    throw unreadable(cid, cause instanceof Error ? cause.message : String(cause), cause);
  }
  throw unreadable(cid, "a link with bytes behind its CID");
}

/** The failure of a file that has more bytes than its reader accepts. */
export function tooLarge(fileBytes: number, maxBytes: number): KhachapuriError {
  return new KhachapuriError(
    "invalid_input",
    `the file has ${fileBytes} bytes, more than the ${maxBytes} allowed here`,
    { data: { limitBytes: maxBytes, fileBytes } },
  );
}

/** How large a file is that was refused for its size alone; null for any other failure. */
export function refusedBytes(error: unknown): number | null {
  const fileBytes = error instanceof KhachapuriError ? error.data.fileBytes : null;
  return typeof fileBytes === "number" ? fileBytes : null;
}

export function sizeLie(cid: CID, claimed: number, actual: number): KhachapuriError {
  return unreadable(cid, `${actual} bytes where ${claimed} were claimed`);
}

export function unreadable(cid: CID, what: string, cause?: unknown): KhachapuriError {
  const name = isInline(cid) ? "an inline block" : formatCid(cid);
  return new KhachapuriError("invalid_input", `cannot read ${name} as a file: ${what}`, { cause });
}
