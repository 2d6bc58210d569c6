/**
 * A file out of a DAG, in the order of its bytes, of which no more than a block and the nodes above
 * it are in memory. Bounded as `readUnixfsFile` is.
 */
import { type CID, isInline, RAW } from "../cid.ts";
import { DAG_DEPTH_MAX, DAG_VISITS_MAX } from "../limits.ts";
import { type FileNode, readFileNode, sizeLie, tooLarge, unreadable } from "./unixfs.ts";

/** Where verified blocks come from, each as often as it is asked for. */
export interface StreamSource {
  get(cid: CID): Promise<Uint8Array> | Uint8Array;
  announce?(children: readonly CID[], fileBytes: number): void;
}

/** Takes a file from its beginning to its end. */
export interface FileSink {
  /** A file of so many bytes begins; what came before of another attempt counts no more. */
  begin(fileBytes: number): void | Promise<void>;
  /** Its next bytes, verified; not to be kept. */
  write(bytes: Uint8Array): void | Promise<void>;
}

interface Walk {
  source: StreamSource;
  sink: FileSink;
  visits: number;
}

/**
 * Reads the file whose root is `root` into `sink`.
 * @throws KhachapuriError `invalid_input` as `readUnixfsFile`, and whatever source and sink throw
 */
export async function streamUnixfsFile(
  root: CID,
  source: StreamSource,
  maxBytes: number,
  sink: FileSink,
): Promise<void> {
  const block = await source.get(root);
  const node = root.code === RAW ? null : readFileNode(root, block);
  const fileBytes = node?.fileBytes ?? block.length;
  if (fileBytes > maxBytes) throw tooLarge(fileBytes, maxBytes);
  await sink.begin(fileBytes);
  if (node) await streamNode({ source, sink, visits: 0 }, node, 1);
  else await sink.write(block);
}

async function streamNode(walk: Walk, node: FileNode, depth: number): Promise<void> {
  const { source, sink } = walk;
  if (node.data.length > 0) await sink.write(node.data);
  source.announce?.(node.children.map((child) => child.cid), node.fileBytes);
  for (const { cid, fileBytes } of node.children) {
    if (depth === DAG_DEPTH_MAX) throw unreadable(cid, `deeper than ${DAG_DEPTH_MAX} levels`);
    if (++walk.visits > DAG_VISITS_MAX) throw unreadable(cid, `over ${DAG_VISITS_MAX} nodes`);
    const bytes = isInline(cid) ? cid.multihash.digest : await source.get(cid);
    const child = cid.code === RAW ? null : readFileNode(cid, bytes);
    const actual = child?.fileBytes ?? bytes.length;
    if (actual !== fileBytes) throw sizeLie(cid, fileBytes, actual);
    if (child) await streamNode(walk, child, depth + 1);
    else await sink.write(bytes);
  }
}

/** Tells what its sink failed with from what the file is. */
export class GuardedSink implements FileSink {
  failed = false;

  constructor(private readonly sink: FileSink) {}

  begin(fileBytes: number): Promise<void> {
    return this.#guard(() => this.sink.begin(fileBytes));
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#guard(() => this.sink.write(bytes));
  }

  async #guard(work: () => void | Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.failed = true;
      throw error;
    }
  }
}
