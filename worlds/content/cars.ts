/** CARs piece by piece, as no honest writer makes them, and as other writers make them. */
import { Buffer } from "node:buffer";
import { CarWriter } from "@ipld/car";
import { balanced } from "ipfs-unixfs-importer/layout";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { importer } from "ipfs-unixfs-importer";
import { type Block, CID, cidOf, DAG_PB, RAW } from "../../lib/cid.ts";
import { headerNaming } from "../../lib/ipfs/car.ts";
import { encodeVarint } from "../../lib/ipfs/varint.ts";

export const utf8 = (text: string) => new TextEncoder().encode(text);

export function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

/** What is prefixed with its length: a header, or a section. */
export function section(...parts: readonly Uint8Array[]): Uint8Array {
  const content = joined(...parts);
  return joined(encodeVarint(content.length), content);
}

export function blockSection({ cid, bytes }: Block): Uint8Array {
  return section(cid.bytes, bytes);
}

/** A CAR of these blocks, whatever they are. */
export function carOf(root: CID, blocks: readonly Block[]): Uint8Array<ArrayBuffer> {
  return joined(section(headerNaming(root)), ...blocks.map(blockSection));
}

export function rawBlock(content: string | Uint8Array): Block {
  const bytes = typeof content === "string" ? utf8(content) : content;
  return { cid: cidOf(RAW, bytes), bytes };
}

/** A dag-pb node with nameless links, and Data that is no file's. */
export function nodeOf(links: readonly CID[]): Block {
  const bytes = joined(...links.map(({ bytes }) => field(0x12, field(0x0a, bytes))));
  return { cid: cidOf(DAG_PB, bytes), bytes };
}

function field(key: number, value: Uint8Array): Uint8Array {
  return joined(Uint8Array.of(key), encodeVarint(value.length), value);
}

/** Blocks that hang on one another, the root first. */
export function chainOf(depth: number): Block[] {
  const chain = [rawBlock("the end")];
  while (chain.length < depth) chain.unshift(nodeOf([chain[0]!.cid]));
  return chain;
}

/** A DAG of so many blocks of a few bytes, another for each `seed`: the root first. */
export function tinyBlocks(count: number, seed = 0): Block[] {
  const leaves = Array.from({ length: count }, (_, index) => rawBlock(`${seed} ${index}`));
  const parents: Block[] = [];
  for (let at = 0; at < count; at += 1_000) {
    parents.push(nodeOf(leaves.slice(at, at + 1_000).map(({ cid }) => cid)));
  }
  return [nodeOf(parents.map(({ cid }) => cid)), ...parents, ...leaves];
}

/** Files as @ipld/car and ipfs-unixfs-importer write them: leaves first, the root last. */
export async function referenceCar(
  files: Readonly<Record<string, Uint8Array>>,
  chunkBytes: number,
  wrapWithDirectory: boolean,
): Promise<{ root: CID; bytes: Uint8Array<ArrayBuffer> }> {
  const blocks: Block[] = [];
  const blockstore = {
    put(cid: CID, bytes: Uint8Array) {
      blocks.push({ cid, bytes });
      return cid;
    },
  };
  const source = Object.entries(files).map(([path, content]) => ({ path, content }));
  const entries = await Array.fromAsync(
    // deno-lint-ignore no-explicit-any -- a blockstore that only takes
    importer(source, blockstore as any, {
      cidVersion: 1,
      rawLeaves: true,
      wrapWithDirectory,
      chunker: fixedSize({ chunkSize: chunkBytes }),
      layout: balanced({ maxChildrenPerNode: 174 }),
    }),
  );
  const root = CID.decode(entries.at(-1)!.cid.bytes);
  const { writer, out } = CarWriter.create([root]);
  const written = Array.fromAsync(out);
  for (const { cid, bytes } of unique(blocks)) await writer.put({ cid, bytes });
  await writer.close();
  return { root, bytes: joined(...await written) };
}

function unique(blocks: readonly Block[]): Block[] {
  return [...new Map(blocks.map((block) => [block.cid.toString(), block])).values()];
}
