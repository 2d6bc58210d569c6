/** The data of curl's -d family. */

/** Joins the pieces of one body: with "&" between them, or with nothing (--json). */
export function joinData(pieces: readonly Uint8Array[], isForm: boolean): Uint8Array<ArrayBuffer> {
  const glue = isForm ? 1 : 0;
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const joined = new Uint8Array(size + glue * Math.max(0, pieces.length - 1));
  let at = 0;
  for (const piece of pieces) {
    if (at > 0 && isForm) joined[at++] = 0x26;
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

/**
 * --data-urlencode: `content`, `=content`, `name=content`, `@file`, `name@file`.
 * @param read gets `@file`
 */
export async function urlencodedData(
  value: string,
  read: (from: string) => Promise<Uint8Array>,
): Promise<string> {
  const match = /^([^=@]*)([=@])([^]*)$/.exec(value);
  if (!match) return encode(new TextEncoder().encode(value));
  const [, name, separator, content] = match;
  const bytes = separator === "@" ? await read(`@${content}`) : new TextEncoder().encode(content);
  return name === "" ? encode(bytes) : `${name}=${encode(bytes)}`;
}

/** RFC 3986 section 2.3: everything but the unreserved characters, byte by byte. */
function encode(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    text += /[A-Za-z0-9._~-]/.test(char)
      ? char
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}
