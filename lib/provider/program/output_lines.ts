/** What an instance writes, put together to whole lines of text, whatever chunks it comes in. */
import { SERVER_LINE_CHARACTERS_MAX } from "../../limits_of_servers.ts";

const LF = 10;

export class OutputLines {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  /** Bytes of lines that nobody has taken, and of the one that has no end yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a copy of the chunk, whose memory is its reader's. */
  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk.slice());
    this.#bytes += chunk.length;
  }

  /** The lines that have an end, with a newline between two; null: there is none. */
  takeWhole(): string | null {
    const bytes = this.#joined();
    const ends = bytes.lastIndexOf(LF) + 1;
    // Of a line without an end no more waits than a line may be long.
    const cuts = bytes.length - ends < SERVER_LINE_CHARACTERS_MAX
      ? ends
      : ends + wholeCharacters(bytes.subarray(ends));
    return this.#take(bytes, cuts);
  }

  /** All that there is but half a character; null: there is nothing. */
  takeAll(): string | null {
    const bytes = this.#joined();
    return this.#take(bytes, wholeCharacters(bytes));
  }

  /** All that there is, where no more comes. */
  end(): string | null {
    return this.#take(this.#joined(), this.#bytes);
  }

  #joined(): Uint8Array {
    if (this.#chunks.length === 1) return this.#chunks[0]!;
    const joined = new Uint8Array(this.#bytes);
    let at = 0;
    for (const chunk of this.#chunks) {
      joined.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [joined];
    return joined;
  }

  /** Takes the first `count` bytes. */
  #take(bytes: Uint8Array, count: number): string | null {
    // A copy: what is left is little, and the chunk that it came in may be large.
    this.#chunks = count === bytes.length ? [] : [bytes.slice(count)];
    this.#bytes = bytes.length - count;
    if (count === 0) return null;
    const lines = this.#decoder.decode(bytes.subarray(0, count)).replaceAll("\r\n", "\n");
    return cutLong(lines.endsWith("\n") ? lines.slice(0, -1) : lines);
  }
}

/** How many of the bytes are left without a character of UTF-8 at the end that is not whole. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0b1100_0000) === 0b1000_0000) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** No part begins in the midst of a surrogate pair. */
const LONG = new RegExp(`.{${SERVER_LINE_CHARACTERS_MAX}}(?=.)`, "gsu");

/** Lines that are too long as several. */
function cutLong(lines: string): string {
  if (lines.length <= SERVER_LINE_CHARACTERS_MAX) return lines;
  return lines.split("\n").map((line) => line.replace(LONG, "$&\n")).join("\n");
}
