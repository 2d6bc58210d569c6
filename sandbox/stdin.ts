/** A run's stdin: reads the caller's body and sends it in frames, never beyond the window. */
import {
  CHUNK_BYTES_MAX,
  encodeBare,
  encodeFrame,
  FRAME,
  STDIN_CLOSED,
  STDIN_WINDOW_BYTES,
} from "./protocol.ts";

export interface Stdin {
  /** Init says that the program took so many bytes; `STDIN_CLOSED`: that it reads no more. */
  allow(credit: number): void;
  /** Gives up the source. The end of stdin is sent all the same, unless the run is over. */
  stop(): void;
}

/**
 * Begins to send. Without a source nothing is sent: the START frame has said so.
 * @param send puts a frame on the way to the sandbox
 * @param isOver whether the run has ended, and nothing may be sent for it any more
 */
export function createStdin(
  index: number,
  source: ReadableStream<Uint8Array> | null,
  send: (frame: Uint8Array) => void,
  isOver: () => boolean,
): Stdin {
  if (source === null) return { allow() {}, stop() {} };
  const reader = source.getReader();
  let window = STDIN_WINDOW_BYTES;
  let open = true;
  let wake = () => {};
  const stop = () => {
    if (!open) return;
    open = false;
    wake();
    reader.cancel().catch(() => {});
  };
  const pump = async () => {
    while (open) {
      const next = await reader.read();
      if (next.done) break;
      for (let at = 0; at < next.value.length && open;) {
        if (window === 0) await new Promise<void>((resolve) => wake = resolve);
        const size = Math.min(window, CHUNK_BYTES_MAX, next.value.length - at);
        if (!open || size === 0) continue;
        send(encodeFrame(FRAME.stdin, index, next.value.subarray(at, at + size)));
        window -= size;
        at += size;
      }
    }
  };
  // A body that breaks off is end of file for the program: the caller's abort ends the run itself.
  pump().catch(() => {}).finally(() => {
    if (!isOver()) send(encodeBare(FRAME.stdinEnd, index));
    open = false;
  });
  return {
    allow(credit) {
      if (credit === STDIN_CLOSED) return stop();
      window = Math.min(STDIN_WINDOW_BYTES, window + credit);
      wake();
    },
    stop,
  };
}
