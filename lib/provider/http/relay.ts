/** The last stretch of an answer: in one piece when it is short and soon over, else as it comes. */
import { Buffer } from "node:buffer";
import { KhachapuriError } from "../../errors.ts";
import type { Soon } from "./short_timer.ts";

/** The program's output, chunk by chunk; the charge is committed before its end is told. */
export interface Relay {
  /** Whether all of the output is here, so that only our own books are waited for. */
  isComplete(): boolean;
  read(): Promise<Uint8Array | null>;
  /** What was read is to be read again, and then what is still pending. */
  putBack(chunks: Uint8Array[], pending: Promise<Uint8Array | null> | null): void;
  /** The caller is gone. */
  cancel(): Promise<void>;
}

/** An answer that is over soon, and this small, goes out in one piece: that is cheaper. */
const SHORT_BYTES_MAX = 64 * 1024;

/** All of a short answer; null when it has to be streamed, with nothing of it lost. */
export async function readShort(
  relay: Relay,
  soon: Soon,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const late = Promise.withResolvers<"late">();
  const forget = relay.isComplete() ? () => {} : soon.after(() => late.resolve("late"));
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
  while (bytes <= SHORT_BYTES_MAX) {
    const pending = relay.read();
    // Where all is here, nothing but our own books is waited for.
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

/** How long a caller may take for what is left of an answer whose program has ended, ms. */
const REST_TIMEOUT_MS = 15_000;

/**
 * What is left of an answer, as it comes. A caller that reads slowly, or no more, holds slot and
 * sandbox no longer than a slow program could: its answer is cut off.
 * @param ended settles when the program has ended
 */
export function streamOf(
  { read, cancel }: Relay,
  ended: Promise<unknown>,
  restMs = REST_TIMEOUT_MS,
): ReadableStream<Uint8Array> {
  let isOver = false;
  let deadline: ReturnType<typeof setTimeout> | undefined;
  const over = () => {
    isOver = true;
    clearTimeout(deadline);
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const cut = () => cancel().catch(() => {}).finally(() => controller.error(tooSlow()));
      const begin = () => {
        if (!isOver) deadline = setTimeout(cut, restMs);
      };
      ended.then(begin, begin);
    },
    async pull(controller) {
      try {
        const chunk = await read();
        if (chunk) return controller.enqueue(chunk);
        over();
        controller.close();
      } catch (error) {
        over();
        throw error;
      }
    },
    cancel() {
      over();
      return cancel();
    },
  }, { highWaterMark: 0 });
}

function tooSlow(): KhachapuriError {
  return new KhachapuriError("invalid_input", "the caller reads too slowly");
}
