/** The blocks below a root in depth-first order, by the reference codecs. */
import * as dagCbor from "@ipld/dag-cbor";
import * as dagJson from "@ipld/dag-json";
import * as dagPb from "@ipld/dag-pb";
import { createUnsafe } from "multiformats/block";
import { identity } from "multiformats/hashes/identity";
import { CID } from "../../lib/cid.ts";
import type { KeptBlocks } from "./kept_blocks.ts";

const CODECS = [dagPb, dagCbor, dagJson];

/**
 * The texts of the version 1 cids below `root`, itself first; each as often as it is met, up to the
 * first block that is not kept.
 */
export async function referenceWalk(
  kept: KeptBlocks,
  root: CID,
): Promise<string[]> {
  const met: string[] = [];
  const visit = async (cid: CID): Promise<boolean> => {
    const isInline = cid.multihash.code === identity.code;
    const bytes = isInline ? cid.multihash.digest : await kept.get(cid);
    if (bytes === null) return false;
    if (!isInline) met.push(cid.toV1().toString());
    const codec = CODECS.find(({ code }) => code === cid.code);
    if (!codec) return true;
    // deno-lint-ignore no-explicit-any
    for (const [, link] of createUnsafe({ cid, bytes, codec: codec as any }).links()) {
      if (!await visit(CID.decode(link.bytes))) return false;
    }
    return true;
  };
  await visit(root);
  return met;
}

/** Each once, where it is first met. */
export function once(met: readonly string[]): string[] {
  return [...new Set(met)];
}
