/** Blocks in memory as a provider keeps them on disk, and what was read of them. */
import { CarReader } from "@ipld/car";
import { importer, type ImporterOptions } from "ipfs-unixfs-importer";
import { type Block, blockKey, CID, cidOf, isContentOf, RAW } from "../../lib/cid.ts";
import type { BlockReader } from "../../lib/ipfs/block_reader.ts";

export class KeptBlocks implements BlockReader {
  readonly #blocks = new Map<string, Block>();
  /** How often any block was asked for. */
  reads = 0;

  constructor(blocks: Iterable<Block> = []) {
    for (const block of blocks) this.put(block);
  }

  put(block: Block): void {
    if (!isContentOf(block.cid, block.bytes)) throw new Error(`${block.cid} has other bytes`);
    this.#blocks.set(blockKey(block.cid), block);
  }

  /** @returns the cid of a raw block with these bytes */
  putRaw(bytes: Uint8Array): CID {
    const cid = cidOf(RAW, bytes);
    this.put({ cid, bytes });
    return cid;
  }

  remove(cid: CID): void {
    this.#blocks.delete(blockKey(cid));
  }

  get(cid: CID): Promise<Uint8Array | null> {
    this.reads += 1;
    return Promise.resolve(this.#blocks.get(blockKey(cid))?.bytes ?? null);
  }

  all(): Block[] {
    return [...this.#blocks.values()];
  }
}

/** A CAR as the reference library reads it. */
export async function blocksOfCar(car: Uint8Array): Promise<{ roots: CID[]; blocks: Block[] }> {
  const reader = await CarReader.fromBytes(car);
  const blocks: Block[] = [];
  for await (const { cid, bytes } of reader.blocks()) {
    blocks.push({ cid: CID.decode(cid.bytes), bytes });
  }
  const roots = (await reader.getRoots()).map(({ bytes }) => CID.decode(bytes));
  return { roots, blocks };
}

/** The blocks as a blockstore of the reference libraries; @param onGet told what they read */
export function blockstoreOf(kept: KeptBlocks, onGet: (cid: CID) => void = () => {}) {
  return {
    put(cid: CID, bytes: Uint8Array) {
      kept.put({ cid: CID.decode(cid.bytes), bytes });
      return cid;
    },
    async *get(cid: CID) {
      onGet(cid);
      const bytes = await kept.get(CID.decode(cid.bytes));
      if (bytes === null) throw new Error(`${cid} is not kept`);
      yield bytes;
    },
    // deno-lint-ignore no-explicit-any
  } as any;
}

/** Files by path, as the reference importer makes a directory of them. @returns its cid */
export async function importTree(
  kept: KeptBlocks,
  files: Readonly<Record<string, Uint8Array>>,
  options: ImporterOptions = {},
): Promise<CID> {
  const entries = Object.entries(files).map(([path, content]) => ({ path, content }));
  let root: CID | null = null;
  const wrapped = { ...options, wrapWithDirectory: true };
  for await (const { cid } of importer(entries, blockstoreOf(kept), wrapped)) {
    root = CID.decode(cid.bytes);
  }
  return root!;
}
