/** Node's own HTTP parser, strict, in a child process: the reader that ours is compared with. */
import { fileURLToPath } from "node:url";
import { Buffer } from "node:buffer";

/** A request that was read whole. */
export interface ReadRequest {
  /** As in `HTTP/1.1`, without the name. */
  readonly version: string;
  readonly method: string;
  readonly target: string;
  /** Names and values in turn, as sent. */
  readonly fields: readonly string[];
  /** Octets as Latin-1. */
  readonly body: string;
  /** Whether it asks for another protocol, which is declined. */
  readonly isUpgrade: boolean;
  readonly isKept: boolean;
}

/** What a stream of octets is by the reference. */
export interface Reading {
  readonly requests: readonly ReadRequest[];
  /** The parser's code for what is wrong after them; null: nothing so far. */
  readonly failure: string | null;
  /** Whether the last request's body is still to come. */
  readonly isCut: boolean;
}

export interface Reference extends AsyncDisposable {
  /** Reads these pieces, octets as Latin-1, as one connection. */
  read(pieces: readonly string[]): Promise<Reading>;
}

export function startReference(): Reference {
  const script = fileURLToPath(new URL("reference.mjs", import.meta.url));
  const child = new Deno.Command("node", {
    args: ["--no-deprecation", script],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const waiting: PromiseWithResolvers<Reading>[] = [];
  const told = (async () => {
    let rest = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) waiting.shift()!.resolve(JSON.parse(line));
    }
    for (const { reject } of waiting) reject(new Error("the reference has ended"));
  })();
  return {
    read(pieces) {
      const reading = Promise.withResolvers<Reading>();
      waiting.push(reading);
      const line = JSON.stringify(
        pieces.map((piece) => Buffer.from(piece, "latin1").toString("base64")),
      );
      writer.write(new TextEncoder().encode(`${line}\n`)).catch(() => {});
      return reading.promise;
    },
    async [Symbol.asyncDispose]() {
      await writer.close();
      await told;
      await child.status;
    },
  };
}
