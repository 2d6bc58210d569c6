/** A peer as a process that says on stdout where it listens, and is ended with SIGTERM. */
import { KhachapuriError } from "../../lib/errors.ts";

export interface PeerProcess extends AsyncDisposable {
  /** What it said: the first group of each expression it was started with. */
  readonly said: readonly string[];
}

export interface PeerCommand {
  /** Of `deno`. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** It is ready once all of these have matched what it prints. */
  readonly ready: readonly RegExp[];
}

/** @throws KhachapuriError `internal` when it ends before it is ready */
export async function startPeer({ args, env = {}, ready }: PeerCommand): Promise<PeerProcess> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const complaints = new Response(child.stderr).text();
  const output = new Output(child.stdout);
  const said = await output.until(ready);
  const drained = output.drain();
  const end = async () => {
    child.kill("SIGTERM");
    await Promise.all([child.status, drained, complaints]);
  };
  if (said) return { said, [Symbol.asyncDispose]: end };
  await Promise.all([child.status, drained]);
  throw new KhachapuriError("internal", `${args.at(-1)} ended: ${await complaints}`);
}

class Output {
  readonly #parts: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#parts = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** @returns null when it ended before */
  async until(expressions: readonly RegExp[]): Promise<string[] | null> {
    for (;;) {
      const found = expressions.flatMap((expression) => expression.exec(this.#text)?.[1] ?? []);
      if (found.length === expressions.length) return found;
      const { done, value } = await this.#parts.read();
      if (done) return null;
      this.#text += value;
    }
  }

  async drain(): Promise<void> {
    while (!(await this.#parts.read()).done);
  }
}
