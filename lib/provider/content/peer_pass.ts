/**
 * By which nodes of a provider know one another: a word that only who has the operator's key can
 * say, which all of them have. Networks that are called private often are not, so a node answers
 * nobody without it. There is no TLS, as nothing on the way is a secret: what owners push is
 * encrypted to the provider or about to be public, and every block is checked against its cid by
 * whoever gets it. Who listens in on that network could say the word after a node, and have what
 * it can see there anyway, within the bounds of that one node. What changes something wants a word
 * of its own, which says no more when it is said again.
 */
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { type Hex, hexToBytes } from "viem";
import { KhachapuriError } from "../../errors.ts";

/** No other use of the key gives the same secret (RFC 5869, `info`). */
const PURPOSE = "khachapuri: the nodes of a fleet";
const SECRET_BYTES = 32;
const WORD = /^Bearer ([a-z0-9-]{1,32})\.([0-9a-f]{64})$/;

export class PeerPass {
  readonly #secret: Uint8Array;

  /** @param operatorKey the private key that all nodes have */
  constructor(operatorKey: Hex) {
    const key = hexToBytes(operatorKey);
    this.#secret = new Uint8Array(hkdfSync("sha256", key, "", PURPOSE, SECRET_BYTES));
  }

  /**
   * The value of `Authorization` by which a node asks the others.
   * @param change what is to be changed, where it is not only to be read: path and query
   */
  wordOf(node: string, change = ""): string {
    return `Bearer ${node}.${this.#proofOf(node, change).toString("hex")}`;
  }

  /**
   * The node that asks.
   * @param authorization as it came; null: it did not
   * @throws KhachapuriError `access_denied` for anybody else
   */
  nodeOf(authorization: string | null, change = ""): string {
    const [, node = "", proof = ""] = WORD.exec(authorization ?? "") ?? [];
    const isNode = node !== "" &&
      timingSafeEqual(this.#proofOf(node, change), new Uint8Array(Buffer.from(proof, "hex")));
    if (isNode) return node;
    throw new KhachapuriError("access_denied", "this is for the other nodes of this provider", {
      hints: ["the nodes of a fleet have the same operator key: compare their key files"],
    });
  }

  #proofOf(node: string, change: string): Buffer {
    const said = change === "" ? node : `${node} ${change}`;
    return createHmac("sha256", this.#secret).update(said).digest();
  }
}
