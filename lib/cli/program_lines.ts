/** What a program writes to stderr, fit for its developer's terminal. */
import { Buffer } from "node:buffer";
import { printable } from "../client/provider_http.ts";
import type { Ear } from "../provider/dev/ears.ts";

const NEWLINE = 10;
/** What is longer is more than one line: a server may never end one. */
const LINE_BYTES = 64 * 1024;
const NOTHING: Uint8Array = new Uint8Array();

// deno-lint-ignore no-control-regex -- the sequence begins with one (ECMA-48, SGR)
const COLOURS = /(\x1b\[[0-9;:]*m)/;
const COLOURS_END = "\x1b[0m";

const encoder = new TextEncoder();

/**
 * Text without what drives a terminal: a program may repeat what a stranger sent it. Colours stay,
 * and end with the text.
 */
export function keepColours(text: string): string {
  const parts = text.split(COLOURS);
  // What the pattern found stands between what it did not.
  const kept = parts.map((part, at) => at % 2 === 1 ? part : printable(part)).join("");
  return parts.length > 1 && parts.at(-2) !== COLOURS_END ? kept + COLOURS_END : kept;
}

/** Hands on whole lines, without their ends, so that those of several runs do not mix. */
export function byLine(tell: (line: Uint8Array) => void): Ear {
  let rest = NOTHING;
  const flush = () => {
    if (rest.length > 0) tell(rest);
    rest = NOTHING;
  };
  return {
    hear(bytes) {
      rest = Buffer.concat([rest, bytes]);
      for (let end; (end = rest.indexOf(NEWLINE)) >= 0;) {
        tell(rest.subarray(0, end));
        rest = rest.subarray(end + 1);
      }
      if (rest.length > LINE_BYTES) flush();
    },
    close: flush,
  };
}

/** The lines of one run as a person reads them. */
export function linesTo(write: (bytes: Uint8Array) => void, begin = "", end = "\n"): Ear {
  const decoder = new TextDecoder();
  return byLine((line) => write(encoder.encode(begin + keepColours(decoder.decode(line)) + end)));
}
