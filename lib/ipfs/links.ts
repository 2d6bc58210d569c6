/** What a block links to, by its codec. */
import { type CID, DAG_CBOR, DAG_CODECS, DAG_PB, decodeCid, isInline } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { decodeNode } from "./dag_pb.ts";
import { linksOfCbor } from "./dag_cbor.ts";

/**
 * The blocks that a block links to, in their order; what a link holds itself is looked through.
 * @throws KhachapuriError `invalid_input`, `invalid_cid` for a link that we cannot verify
 */
export function linksOf({ code }: Pick<CID, "code">, bytes: Uint8Array): CID[] {
  if (code === DAG_PB) return decodeNode(bytes).links.flatMap(({ hash }) => behind(linkOf(hash)));
  if (code === DAG_CBOR) return linksOfCbor(bytes).flatMap(behind);
  return [];
}

/** An inline block has at most 128 bytes, so those in it have fewer. */
function behind(cid: CID): CID[] {
  return isInline(cid) ? linksOf(cid, cid.multihash.digest) : [cid];
}

function linkOf(hash: Uint8Array): CID {
  const { cid, length } = decodeCid(hash, DAG_CODECS);
  if (length === hash.length) return cid;
  throw new KhachapuriError("invalid_input", "a link with bytes behind its CID");
}
