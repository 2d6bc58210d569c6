/** The data of curl's -d family. */
import { percentEncoded } from "./curl_url.ts";

/** A piece of the body, and what stands between it and the one before. */
export interface DataPiece {
  readonly bytes: Uint8Array;
  /** "&" before a piece of a form, nothing before one of --json. */
  readonly glue: "&" | "";
}

/** Joins the pieces of one body as curl 7.88 does: an empty piece counts as one. */
export function joinData(pieces: readonly DataPiece[]): Uint8Array<ArrayBuffer> {
  const parts = pieces.flatMap(({ bytes, glue }, index) =>
    index > 0 && glue === "&" ? [Uint8Array.of(0x26), bytes] : [bytes]
  );
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/**
 * --data-urlencode: `content`, `=content`, `name=content`, `@file`, `name@file`. A space becomes
 * "+", as in forms.
 * @param read gets `@file`
 */
export async function urlencodedData(
  value: string,
  read: (from: string) => Promise<Uint8Array>,
): Promise<string> {
  const [, name = "", separator, content] = /^([^=@]*)([=@])([^]*)$/.exec(value) ?? [];
  const bytes = separator === "@"
    ? await read(`@${content}`)
    : new TextEncoder().encode(separator === "=" ? content : value);
  // Of an empty file curl sends not even the name.
  if (separator === "@" && bytes.length === 0) return "";
  const encoded = percentEncoded(bytes).replaceAll("%20", "+");
  return name === "" ? encoded : `${name}=${encoded}`;
}
