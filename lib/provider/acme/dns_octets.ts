/** Octets of DNS messages that dns-packet neither writes nor reads (RFC 1035, section 4.1). */

export const TYPE = { SOA: 6, TXT: 16, TSIG: 250 } as const;
export const CLASS = { IN: 1, NONE: 254, ANY: 255 } as const;
export const HEAD_BYTES = 12;

const LABEL_BYTES_LONGEST = 63;
const encoder = new TextEncoder();

export function bytesOf(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export function uint16(value: number): number[] {
  return [value >> 8 & 0xff, value & 0xff];
}

export function uint32(value: number): number[] {
  return [...uint16(Math.floor(value / 0x10000)), ...uint16(value % 0x10000)];
}

/** In canonical form: lower case, without compression (RFC 4034, section 6.2). */
export function nameOctets(name: string): Uint8Array {
  const labels = name.toLowerCase().replace(/\.$/, "").split(".").filter((label) => label !== "");
  return bytesOf(
    ...labels.flatMap((label) => {
      const bytes = encoder.encode(label);
      if (bytes.length > LABEL_BYTES_LONGEST) throw new RangeError(`${label} is no label`);
      return [[bytes.length], bytes];
    }),
    [0],
  );
}

/** One character string of a TXT record; a longer text is several. */
export function textOctets(text: string): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length > 255) throw new RangeError("longer than a character string");
  return bytesOf([bytes.length], bytes);
}

/**
 * Where the name at `at` ends.
 * @throws RangeError beyond the message
 */
export function skipName(message: Uint8Array, at: number): number {
  for (;;) {
    const length = message[at];
    if (length === undefined) throw new RangeError("beyond the end");
    if (length === 0) return at + 1;
    // A pointer ends a name.
    if (length >= 0xc0) return at + 2;
    at += 1 + length;
  }
}

/**
 * Where the last record of a message begins.
 * @throws RangeError for what is no message
 */
export function lastRecordAt(message: Uint8Array): number {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const [questions, ...sections] = [4, 6, 8, 10].map((at) => view.getUint16(at));
  let at = HEAD_BYTES;
  for (let left = questions!; left > 0; left--) at = skipName(message, at) + 4;
  let last = at;
  for (let left = sections.reduce((sum, count) => sum + count, 0); left > 0; left--) {
    last = at;
    const fixed = skipName(message, at);
    at = fixed + 10 + view.getUint16(fixed + 8);
  }
  if (at !== message.length) throw new RangeError("not as long as it says");
  return last;
}
