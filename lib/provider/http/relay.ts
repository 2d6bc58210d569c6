/** How an answer's body goes out: in one piece when it is short and soon over, else as it comes. */
import { Buffer } from "node:buffer";
import type { AnswerStream } from "./request.ts";
import type { ShortTimer } from "./short_timer.ts";

/** The program's output, chunk by chunk; the charge is committed before its end is told. */
export interface Relay extends AnswerStream {
  /** Whether all of the output has come in, so that only our own books are waited for. */
  isComplete(): boolean;
  /** What was read is to be read again, and then what is still pending. */
  putBack(chunks: Uint8Array[], pending: Promise<Uint8Array | null> | null): void;
}

/**
 * An answer that is soon over and this small goes out in one piece: a stream would cost it a good
 * part of its time (`deno task bench sandbox`, row "khachapuri, whole request").
 */
const SHORT_BYTES = 64 * 1024;

/** All of a short answer; null when it has to be streamed, with nothing of it lost. */
export async function readShort(
  relay: Relay,
  timer: ShortTimer,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const late = Promise.withResolvers<"late">();
  const forget = relay.isComplete() ? () => {} : timer.after(() => late.resolve("late"));
  try {
    return await readUntil(relay, late.promise);
  } finally {
    forget();
  }
}

async function readUntil(
  relay: Relay,
  late: Promise<"late">,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  while (bytes <= SHORT_BYTES) {
    const pending = relay.read();
    // Once all has come in, only our own books are waited for, and they are no reason to stream.
    const chunk = await (relay.isComplete() ? pending : Promise.race([pending, late]));
    if (chunk === null) return chunks.length === 1 ? ownBytes(chunks[0]!) : concat(chunks);
    if (chunk === "late") {
      relay.putBack(chunks, pending);
      return null;
    }
    chunks.push(chunk);
    bytes += chunk.length;
  }
  relay.putBack(chunks, null);
  return null;
}

const ownBytes = (chunk: Uint8Array) => chunk as Uint8Array<ArrayBuffer>;
const concat = (chunks: Uint8Array[]) => new Uint8Array(Buffer.concat(chunks));
