/**
 * The links of a DAG-CBOR block (https://ipld.io/specs/codecs/dag-cbor/spec/): items are passed
 * over one after the other and nothing is built of them, so a block of millions of empty maps, or
 * as many levels deep, takes its own length of work and no memory.
 */
import { KhachapuriError } from "../errors.ts";

const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const TAG = 6;
const SIMPLE = 7;

/** The one tag there may be: a cid in a byte string, behind a zero. */
const LINK_TAG = 42;

interface Head {
  major: number;
  /** Of a float its bits, which nobody needs. */
  argument: number;
  /** Of the next item, or of this one's bytes. */
  next: number;
}

/**
 * The bytes of each link's cid, in the order of the block, as views of it.
 * @throws KhachapuriError `invalid_input` when it is no DAG-CBOR
 */
export function dagCborLinks(block: Uint8Array): Uint8Array[] {
  const links: Uint8Array[] = [];
  // Items that are still to come; a count, as nobody asks what holds what.
  let wanted = 1;
  let isLink = false;
  let at = 0;
  for (; wanted > 0; wanted--) {
    const { major, argument, next } = headAt(block, at);
    at = next;
    if (isLink && major !== BYTES) throw malformed("a link that is no byte string");
    if (major === BYTES || major === TEXT) {
      const end = at + argument;
      if (end > block.length) throw malformed("a string is cut off");
      if (isLink) links.push(linkIn(block.subarray(at, end)));
      at = end;
    } else if (major === ARRAY) wanted += argument;
    else if (major === MAP) wanted += 2 * argument;
    else if (major === TAG) {
      if (argument !== LINK_TAG) throw malformed(`tag ${argument}`);
      wanted += 1;
    }
    isLink = major === TAG;
    if (wanted > block.length - at + 1) throw malformed("it is cut off");
  }
  if (at !== block.length) throw malformed("bytes behind its end");
  return links;
}

function headAt(block: Uint8Array, at: number): Head {
  const first = block[at];
  if (first === undefined) throw malformed("it is cut off");
  const major = first >> 5;
  const short = first & 0x1f;
  if (short < 24) return { major, argument: short, next: at + 1 };
  if (short > 27) throw malformed("an item of indefinite length");
  const size = 1 << (short - 24);
  if (major === SIMPLE && size === 1) throw malformed("an unknown simple value");
  if (at + 1 + size > block.length) throw malformed("it is cut off");
  let argument = 0;
  for (let index = 1; index <= size; index++) argument = argument * 256 + block[at + index]!;
  return { major, argument, next: at + 1 + size };
}

function linkIn(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0) throw malformed("a link without the zero before its cid");
  return bytes.subarray(1);
}

function malformed(what: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `not a valid DAG-CBOR block: ${what}`);
}
