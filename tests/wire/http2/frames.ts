/** HTTP/2 frames and header blocks as octets (RFC 9113 section 4, RFC 7541), sound or not. */

export const DATA = 0x0;
export const HEADERS = 0x1;
export const PRIORITY = 0x2;
export const RST_STREAM = 0x3;
export const SETTINGS = 0x4;
export const PUSH_PROMISE = 0x5;
export const PING = 0x6;
export const GOAWAY = 0x7;
export const WINDOW_UPDATE = 0x8;
export const CONTINUATION = 0x9;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;

export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** A number of so many octets, most significant first; octets as Latin-1. */
export function number(value: number, octets: number): string {
  let text = "";
  for (let shift = octets - 1; shift >= 0; shift--) {
    text += String.fromCharCode(Math.floor(value / 256 ** shift) % 256);
  }
  return text;
}

export function frame(type: number, flags: number, stream: number, payload: string): string {
  return number(payload.length, 3) + number(type, 1) + number(flags, 1) + number(stream, 4) +
    payload;
}

export type FieldList = readonly (readonly [name: string, value: string])[];

/** A header block without compression: each a literal with a new name (RFC 7541 section 6.2.2). */
export const block = (fields: FieldList) =>
  fields.map(([name, value]) => `\0${text(name)}${text(value)}`).join("");

/** RFC 7541 section 5.2, without Huffman coding. */
function text(octets: string): string {
  const { length } = octets;
  if (length < 127) return String.fromCharCode(length) + octets;
  let prefix = "\x7f";
  let rest = length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) {
    prefix += String.fromCharCode(rest % 128 + 128);
  }
  return prefix + String.fromCharCode(rest) + octets;
}

/** RFC 7541 appendix A: statuses in the static table, from index 8. */
const STATUSES = [200, 204, 206, 304, 400, 404, 500];
/** RFC 7541 appendix B: digits, by their bits. */
const DIGITS: Readonly<Record<string, string>> = {
  "00000": "0",
  "00001": "1",
  "00010": "2",
  "011001": "3",
  "011010": "4",
  "011011": "5",
  "011100": "6",
  "011101": "7",
  "011110": "8",
  "011111": "9",
};

/** The status that a response's block begins with, the first of its connection. */
export function statusOf(octets: string): number {
  let at = 0;
  // Changes of the table's size may come first (RFC 7541 section 6.3).
  while ((octets.charCodeAt(at) & 0xe0) === 0x20) at++;
  const first = octets.charCodeAt(at);
  if (first & 0x80) return STATUSES[(first & 0x7f) - 8] ?? 0;
  const length = octets.charCodeAt(at + 1);
  const value = octets.slice(at + 2, at + 2 + (length & 0x7f));
  return Number(length & 0x80 ? unpacked(value) : value);
}

function unpacked(octets: string): string {
  let digits = "";
  let bits = "";
  for (const bit of [...octets].flatMap((octet) => [...bitsOf(octet)])) {
    bits += bit;
    const digit = DIGITS[bits];
    if (digit !== undefined) {
      digits += digit;
      bits = "";
    }
  }
  return digits;
}

const bitsOf = (octet: string) => octet.charCodeAt(0).toString(2).padStart(8, "0");
