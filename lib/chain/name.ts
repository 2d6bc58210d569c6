/** ENS names: ENSIP-15 normalisation, the namehash of EIP-137, and how DNS writes them. */
import { ens_normalize } from "@adraffy/ens-normalize";
import { type Hex, namehash } from "viem";
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
    const normalized = isPlain(text) ? text : ens_normalize(text);
    return { text: normalized, node: namehash(normalized) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KhachapuriError("invalid_name", `not an ENS name: ${JSON.stringify(text)}: ${why}`, {
      cause,
    });
  }
}

/** One label of ASCII that ENSIP-15 leaves as it is. */
const PLAIN_LABEL = /^(?!..--)[a-z0-9-]+$/;

/**
 * Whether a name has no other spelling by sight: so nobody waits until the tables of all scripts
 * are unpacked, which takes a process of one command longer than all its questions to the chain.
 */
function isPlain(text: string): boolean {
  return text.split(".").every((label) => PLAIN_LABEL.test(label));
}

/** A normalised name as DNS has it on the wire (RFC 1035), and ENSIP-10 asks by. */
export function dnsName({ text }: Name): Uint8Array {
  const labels = text.split(".").map((label) => new TextEncoder().encode(label));
  return Uint8Array.from([...labels.flatMap((label) => [label.length, ...label]), 0]);
}
