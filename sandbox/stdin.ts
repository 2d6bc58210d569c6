/** A run's stdin: reads the caller's body and sends it in frames, never beyond the window. */
import {
  CHUNK_BYTES_MAX,
  encodeBare,
  encodeFrame,
  FRAME,
  STDIN_CLOSED,
  STDIN_WINDOW_BYTES,
} from "./protocol.ts";
import { type ByteSource, freeWhole } from "../lib/byte_source.ts";

export interface Stdin {
  /** Init says that the program took so many bytes; `STDIN_CLOSED`: that it reads no more. */
  allow(credit: number): void;
  /** Gives up the source. The end of stdin is sent all the same, unless the run is over. */
  stop(): void;
}

export interface StdinParts {
  /** null: the START frame has said that there is none, and nothing is sent. */
  source: ByteSource | null;
  /** Puts a frame on the way to the sandbox. */
  send(frame: Uint8Array): void;
  /** Whether the run has ended, and nothing may be sent for it any more. */
  isOver(): boolean;
  /** Ends the run: its input has broken off, and a part must not pass for the whole. */
  onBroken(): void;
}

/** Begins to send. */
export function createStdin(index: number, parts: StdinParts): Stdin {
  const { source, send, isOver, onBroken } = parts;
  if (source === null) return { allow() {}, stop() {} };
  let window = STDIN_WINDOW_BYTES;
  let open = true;
  let wake = () => {};
  const stop = () => {
    if (!open) return;
    open = false;
    wake();
    source.cancel();
  };
  const pump = async () => {
    while (open) {
      const chunk = await source.read();
      if (chunk === null) break;
      for (let at = 0; at < chunk.length && open;) {
        if (window === 0) await new Promise<void>((resolve) => wake = resolve);
        const size = Math.min(window, CHUNK_BYTES_MAX, chunk.length - at);
        if (!open || size === 0) continue;
        send(encodeFrame(FRAME.stdin, index, chunk.subarray(at, at + size)));
        window -= size;
        at += size;
      }
      freeWhole(chunk); // It was copied.
    }
  };
  const end = () => {
    if (!isOver()) send(encodeBare(FRAME.stdinEnd, index));
    open = false;
  };
  const fail = () => {
    // Who gave the source up, as the program reads no more, is failed by it too: no break.
    if (!open) return end();
    open = false;
    onBroken();
  };
  pump().then(end, fail);
  return {
    allow(credit) {
      if (credit === STDIN_CLOSED) return stop();
      window = Math.min(STDIN_WINDOW_BYTES, window + credit);
      wake();
    },
    stop,
  };
}
