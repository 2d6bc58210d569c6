/**
 * Links of a DAG-CBOR block (https://ipld.io/specs/codecs/dag-cbor/spec/). Nothing is built of the
 * data: it is walked over once, without recursion, and only links are taken out of it.
 */
import { type CID, DAG_CODECS, decodeCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { DAG_LINKS_MAX } from "../limits.ts";

const BYTES = 2;
const TEXT = 3;
const LIST = 4;
const MAP = 5;
const TAG = 6;
const SIMPLE = 7;
const LINK_TAG = 42;
/** false, true, null, and a number of 64 bits: all that DAG-CBOR has of its kind. */
const SIMPLE_VALUES: readonly number[] = [20, 21, 22];
const FLOAT_64 = 27;

interface Item {
  major: number;
  /** The low five bits of its first byte. */
  info: number;
  /** Its number, or length; of a float nothing. */
  value: number;
  /** Behind its head. */
  next: number;
}

/**
 * The links in a block, in their order.
 * @throws KhachapuriError `invalid_input`
 */
export function linksOfCbor(bytes: Uint8Array): CID[] {
  const links: CID[] = [];
  let left = 1;
  let at = 0;
  for (; left > 0; left--) {
    const item = itemAt(bytes, at);
    at = item.next;
    if (item.major === LIST) left += item.value;
    else if (item.major === MAP) left += 2 * item.value;
    else if (item.major === BYTES || item.major === TEXT) at += item.value;
    else if (item.major === TAG) {
      const link = linkAt(bytes, item);
      if (links.length === DAG_LINKS_MAX) throw malformed(`over ${DAG_LINKS_MAX} links in a block`);
      links.push(link.cid);
      at = link.next;
    }
    // Each item takes a byte at least.
    if (at > bytes.length || left > bytes.length) throw malformed("it is cut off");
  }
  if (at !== bytes.length) throw malformed("bytes behind its end");
  return links;
}

function itemAt(bytes: Uint8Array, at: number): Item {
  const first = bytes[at];
  if (first === undefined) throw malformed("it is cut off");
  const [major, info] = [first >> 5, first & 0x1f];
  if (major === SIMPLE) return simpleAt(info, at);
  if (info < 24) return { major, info, value: info, next: at + 1 };
  if (info > FLOAT_64) throw malformed("an item of indefinite length");
  const size = 2 ** (info - 24);
  let value = 0;
  for (let index = 1; index <= size; index++) {
    const byte = bytes[at + index];
    if (byte === undefined) throw malformed("it is cut off");
    value = value * 256 + byte;
  }
  return { major, info, value, next: at + 1 + size };
}

function simpleAt(info: number, at: number): Item {
  if (SIMPLE_VALUES.includes(info)) return { major: SIMPLE, info, value: 0, next: at + 1 };
  if (info === FLOAT_64) return { major: SIMPLE, info, value: 0, next: at + 9 };
  throw malformed("a value that DAG-CBOR does not have");
}

/** A link is a byte string: a zero, and the CID. */
function linkAt(bytes: Uint8Array, tag: Item): { cid: CID; next: number } {
  if (tag.value !== LINK_TAG) throw malformed(`tag ${tag.value}, which DAG-CBOR does not have`);
  const string = itemAt(bytes, tag.next);
  const next = string.next + string.value;
  if (string.major !== BYTES || bytes[string.next] !== 0 || next > bytes.length) {
    throw malformed("a link that is no byte string with a zero first");
  }
  const text = bytes.subarray(string.next + 1, next);
  const { cid, length } = decodeCid(text, DAG_CODECS);
  if (length !== text.length) throw malformed("a link with bytes behind its CID");
  return { cid, next };
}

function malformed(what: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `not a valid DAG-CBOR block: ${what}`);
}
