/** What a block leads to, by its codec. */
import type { CID } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import {
  CBOR,
  DAG_CBOR,
  DAG_JSON,
  DAG_PB,
  JSON_CODEC,
  parseContentCid,
  RAW,
} from "./content_cid.ts";
import { dagCborLinks } from "./dag_cbor.ts";
import { decodeNode } from "./dag_pb.ts";

/**
 * The cids that a block links to, in its order, each in its bytes, which may be views of the block.
 * @throws KhachapuriError `invalid_input` when the block is not of its codec, `not_implemented` for
 * a codec that is none of ours
 */
export function linksOf({ code }: Pick<CID, "code">, block: Uint8Array): Uint8Array[] {
  switch (code) {
    case RAW:
    case CBOR:
    case JSON_CODEC:
      return [];
    case DAG_PB:
      return decodeNode(block).links.map(({ hash }) => hash);
    case DAG_CBOR:
      return dagCborLinks(block);
    case DAG_JSON:
      return dagJsonLinks(block);
  }
  throw new KhachapuriError(
    "not_implemented",
    `links in codec 0x${code.toString(16)} are not read here`,
    { hints: ["ask for it with dag-scope=block, or with format=raw"] },
  );
}

/**
 * A link is the map {"/": "cid"} and nothing else is written so: within a text its quotes would
 * stand behind backslashes.
 */
const LINK = /\{\s*"\/"\s*:\s*"([^"\\]*)"\s*\}/g;

function dagJsonLinks(block: Uint8Array): Uint8Array[] {
  const text = new TextDecoder().decode(block);
  return [...text.matchAll(LINK)].map(([, cid]) => parseContentCid(cid!).bytes);
}
