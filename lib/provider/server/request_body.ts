/** The body of a request to a server, framed as its head says (RFC 9112 sections 6.2 and 7.1). */
import type { ByteSource } from "../../byte_source.ts";
import { KhachapuriError } from "../../errors.ts";

/** Up to here, copying costs less than another write. */
const COPIED_BYTES = 64 * 1024;

const encoder = new TextEncoder();
const CRLF = encoder.encode("\r\n");
const LAST_CHUNK = encoder.encode("0\r\n\r\n");

/** Of a request, to be written. */
export interface RequestPiece {
  readonly bytes: Uint8Array;
  /** Nothing comes behind it. */
  readonly isLast: boolean;
}

/**
 * What is to be written of a request with a body, piece by piece; the first has the head, and with
 * it what of the body is there already. Fails as the body's source does, and with `invalid_input`
 * when the body has not the length that was said.
 */
export async function* requestPieces(
  head: Uint8Array,
  body: ByteSource,
  bodyBytes: number | null,
): AsyncGenerator<RequestPiece, void> {
  const pieces = bodyBytes === null ? chunked(body) : ofLength(body, bodyBytes);
  const first = pieces.next();
  const early = (await withinTurn(first))?.value;
  if (early) yield* together([head, early.bytes], early.isLast);
  else yield { bytes: head, isLast: false };
  if (!early) {
    const late = (await first).value;
    if (late) yield late;
  }
  yield* pieces;
}

/**
 * What is there within a turn of the event loop, as what the caller sent with its head is; else
 * null, as a head does not wait for a body.
 */
async function withinTurn<T>(promise: Promise<T>): Promise<T | null> {
  let turn: ReturnType<typeof setImmediate> | undefined;
  const next = new Promise<null>((resolve) => turn = setImmediate(() => resolve(null)));
  try {
    return await Promise.race([promise, next]);
  } finally {
    clearImmediate(turn);
  }
}

type Pieces = AsyncGenerator<RequestPiece, void>;

async function* ofLength(body: ByteSource, bodyBytes: number): Pieces {
  let left = bodyBytes;
  while (left > 0) {
    const bytes = await body.read();
    if (bytes === null) throw wrongLength(`ended ${left} bytes early`);
    left -= bytes.length;
    if (left < 0) throw wrongLength("has more bytes than its Content-Length said");
    yield { bytes, isLast: left === 0 };
  }
}

async function* chunked(body: ByteSource): Pieces {
  while (true) {
    const bytes = await body.read();
    if (bytes === null) break;
    // A chunk of no bytes would be the last one.
    if (bytes.length === 0) continue;
    yield* together([encoder.encode(`${bytes.length.toString(16)}\r\n`), bytes, CRLF], false);
  }
  yield { bytes: LAST_CHUNK, isLast: true };
}

/** The parts in one piece, if that is small. */
function together(parts: readonly Uint8Array[], isLast: boolean): RequestPiece[] {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length > COPIED_BYTES) {
    return parts.map((bytes, index) => ({ bytes, isLast: isLast && index === parts.length - 1 }));
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return [{ bytes, isLast }];
}

function wrongLength(what: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `the body of the request ${what}`);
}
