/**
 * What an ENS name points to: its `contenthash` record (ENSIP-7, before that EIP-1577), which is a
 * multicodec of the protocol and then the address in it. Deployments are on IPFS, so `ipfs-ns` is
 * all that is used; names that point elsewhere are told apart, as their owner has to know why
 * nothing is served.
 */
import { bytesToHex, type Hex, hexToBytes, isHex } from "viem";
import { type CID, type CidText, decodeCid, formatCid, isInline } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import type { Chain } from "./client.ts";
import { findReader, type NameSource } from "./ens.ts";
import { parseName } from "./name.ts";

/** `ipfs-ns` (0xe3) of the multicodec table, as an unsigned varint. */
const IPFS_NS = "e301";

/** The other protocols of ENSIP-7's list, and those that ENS's own library writes beside them. */
const OTHER_PROTOCOLS: Readonly<Record<string, string>> = {
  e501: "IPNS",
  e401: "Swarm",
  bc03: "Tor (onion)",
  bd03: "Tor (onion3)",
  "90b2c605": "Skynet",
  "90b2ca05": "Arweave",
  "90b2da05": "TON (ADNL)",
};

/** The record that points a name to a CID: of version 1, as ENSIP-7 has it. */
export function encodeContenthash(cid: CID): Hex {
  return `0x${IPFS_NS}${bytesToHex(cid.toV1().bytes).slice(2)}`;
}

/**
 * Reads a record that is not empty.
 * @throws KhachapuriError `invalid_input` for another protocol than IPFS, and for what is no
 *   contenthash; `invalid_cid` for a CID of a kind that we cannot use
 */
export function decodeContenthash(hex: Hex): CidText {
  if (!isHex(hex) || hex.length % 2 === 1) throw malformed(hex, "it is not whole bytes in hex");
  const record = hex.slice(2).toLowerCase();
  if (!record.startsWith(IPFS_NS)) throw elsewhere(hex, record);
  const bytes = hexToBytes(`0x${record.slice(IPFS_NS.length)}`);
  const { cid, length } = decodeCid(bytes);
  if (length !== bytes.length) throw malformed(hex, "there are bytes behind its CID");
  if (isInline(cid)) throw malformed(hex, "its CID carries the content instead of a hash");
  return formatCid(cid);
}

/**
 * What a name points to; null when it has no resolver or no such record.
 * @throws KhachapuriError `invalid_name`; `invalid_input`, `invalid_cid` for a record that is of no
 *   use; `invalid_config` when this chain has no names; `chain_unavailable`, also when the gateway
 *   that a resolver refers to (ERC-3668) is
 */
export async function readContenthash(
  chain: Chain,
  nameText: string,
  source: NameSource = {},
): Promise<CidText | null> {
  const name = parseName(nameText);
  const reader = await findReader(chain, name, source);
  const record = reader === null ? null : await reader.contenthash();
  if (record === null) return null;
  try {
    return decodeContenthash(record);
  } catch (error) {
    if (!(error instanceof KhachapuriError)) throw error;
    throw error.toldWith({ message: `${name.text}: ${error.shortMessage}` });
  }
}

function elsewhere(hex: Hex, record: string): KhachapuriError {
  const other = Object.keys(OTHER_PROTOCOLS).find((codec) => record.startsWith(codec));
  if (other === undefined) return malformed(hex, "it begins with no protocol that ENSIP-7 lists");
  const message = `the contenthash points to ${OTHER_PROTOCOLS[other]}, not to IPFS`;
  return new KhachapuriError("invalid_input", message, {
    hints: ["point it to a deployment: khachapuri name set NAME CID"],
  });
}

function malformed(hex: string, why: string): KhachapuriError {
  const shown = hex.length > 40 ? `${hex.slice(0, 40)}…` : hex;
  return new KhachapuriError("invalid_input", `${shown} is no contenthash: ${why}`);
}
