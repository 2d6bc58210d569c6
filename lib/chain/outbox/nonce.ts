/** Which nonce the next transaction gets. */
import type { Policy } from "./plan.ts";

/** From what it is chosen. */
export interface NonceBasis {
  /** The nonce after the last one that we chose; null when it is not to be relied on. */
  own: number | null;
  /** What the node counts with what it holds unmined; null: not asked. */
  pending: number | null;
  /** Nonces of what is out. */
  out: readonly number[];
}

/**
 * The next transaction's nonce, never one that is out.
 * @returns null when the node must be asked for its count first
 */
export function chooseNonce(basis: NonceBasis, { repair }: Policy): number | null {
  const { own, pending, out } = basis;
  if (repair) {
    // Our own count may be off, after a reorganisation say: filling and giving up mend that. The
    // node's may be off at any time, so it is asked only where there is no other.
    if (own !== null) return own;
    return pending === null ? null : Math.max(pending, ...out.map((nonce) => nonce + 1));
  }
  // Nothing is mended, so each time the node is asked, which may lag behind what is out.
  if (pending === null) return null;
  let nonce = out.length > 0 && own !== null ? Math.max(pending, own) : pending;
  while (out.includes(nonce)) nonce += 1;
  return nonce;
}
