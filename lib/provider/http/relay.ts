/** How an answer's body goes out: in one piece when it is short and over, else as it comes. */
import { Buffer } from "node:buffer";
import type { AnswerStream } from "./request.ts";

/** The program's output, chunk by chunk; the charge is committed before its end is told. */
export interface Relay extends AnswerStream {
  /** Whether all of the output has come in, so that only our own books are waited for. */
  isComplete(): boolean;
  /** What was read is to be read again. */
  putBack(chunks: Uint8Array[]): void;
}

/** What is larger is not joined. */
const SHORT_BYTES = 64 * 1024;

/**
 * All of an answer that is small and over; null when it has to be streamed, with nothing of it
 * lost. A stream costs a call a good part of its time (`deno task bench sandbox`, row "khachapuri,
 * whole request"), but what a program says while it goes on must reach its caller at once. So
 * nothing is waited for here: where a program ends soon after its first words, the sandbox lets the
 * two come together (sandbox/init/run.c).
 */
export async function readShort(relay: Relay): Promise<Uint8Array<ArrayBuffer> | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  while (relay.isComplete() && bytes <= SHORT_BYTES) {
    const chunk = await relay.read();
    if (chunk === null) return chunks.length === 1 ? ownBytes(chunks[0]!) : concat(chunks);
    chunks.push(chunk);
    bytes += chunk.length;
  }
  relay.putBack(chunks);
  return null;
}

const ownBytes = (chunk: Uint8Array) => chunk as Uint8Array<ArrayBuffer>;
const concat = (chunks: Uint8Array[]) => new Uint8Array(Buffer.concat(chunks));
