/** ENS names: ENSIP-15 normalisation and the namehash of EIP-137. */
import { type Hex, namehash } from "viem";
import { normalize } from "viem/ens";
import { KhachapuriError } from "../errors.ts";
import { NAME_BYTES_MAX } from "../limits.ts";

export interface Name {
  /** The one normalised spelling (ENSIP-15). */
  text: string;
  /** Its namehash (EIP-137). */
  node: Hex;
}

/**
 * Normalises and hashes an ENS name.
 * @throws KhachapuriError `invalid_name` for what ENSIP-15 disallows, empty labels, and length
 */
export function parseName(text: string): Name {
  // Normalisation never lengthens a name by much, so the bound also bounds its work.
  if (new TextEncoder().encode(text).length > NAME_BYTES_MAX) {
    throw new KhachapuriError("invalid_name", `a name has at most ${NAME_BYTES_MAX} bytes`);
  }
  if (text === "") throw new KhachapuriError("invalid_name", "the name is empty");
  try {
    const normalized = normalize(text);
    return { text: normalized, node: namehash(normalized) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KhachapuriError("invalid_name", `not an ENS name: ${JSON.stringify(text)}: ${why}`, {
      cause,
    });
  }
}
