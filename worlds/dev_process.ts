/** `dev` as its own process, started the way a developer starts it. */
import { commandUnderTest } from "./command_line.ts";
import { makeFolder } from "./home.ts";

export interface DevProcess extends AsyncDisposable {
  readonly pid: number;
  readonly url: string;
  /** Resolves with the next line on stderr that fits, after those that were asked for before. */
  line(pattern: RegExp): Promise<string>;
  /** All that is on stderr by now. */
  said(): string;
  /** Ends it by a signal; its exit code. */
  end(signal: Deno.Signal): Promise<number>;
}

/** @param temporary where it puts what it makes */
export async function startDev(
  args: readonly string[],
  temporary?: string,
): Promise<DevProcess> {
  await using stack = new AsyncDisposableStack();
  const { dir: home } = stack.use(await makeFolder());
  const [program, ...flags] = commandUnderTest();
  const child = new Deno.Command(program!, {
    args: [...flags, "dev", "--listen", "127.0.0.1:0", ...args],
    env: { KHACHAPURI_HOME: home, NO_COLOR: "1", ...(temporary ? { TMPDIR: temporary } : {}) },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const lines = new Lines(child.stderr);
  const end = async (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch { /* It has ended by itself. */ }
    const { code } = await child.status;
    await lines.ended;
    return code;
  };
  stack.defer(async () => void await end("SIGTERM"));
  const url = await urlOf(child.stdout);
  if (url === null) {
    await lines.ended;
    throw new Error(lines.text);
  }
  const owned = stack.move();
  return {
    pid: child.pid,
    url,
    line: (pattern) => lines.next(pattern),
    said: () => lines.text,
    end,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function urlOf(stdout: ReadableStream<Uint8Array>): Promise<string | null> {
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const url = /(http:\/\/[^\s"]+)/.exec(text)?.[1];
    // There is one line only.
    if (url !== undefined && text.includes("\n")) return url;
  }
  return null;
}

/** Lines as they come, each of which is waited for once. */
class Lines {
  text = "";
  #isOver = false;
  readonly ended: Promise<void>;
  #at = 0;
  #more = Promise.withResolvers<void>();

  constructor(stream: ReadableStream<Uint8Array>) {
    this.ended = this.#read(stream);
  }

  async next(pattern: RegExp): Promise<string> {
    for (;;) {
      const { promise } = this.#more;
      const end = this.text.lastIndexOf("\n") + 1;
      for (const line of this.text.slice(this.#at, end).split(/(?<=\n)/)) {
        this.#at += line.length;
        if (pattern.test(line.trimEnd())) return line.trimEnd();
      }
      if (this.#isOver) throw new Error(`it ended without ${pattern}:\n${this.text}`);
      await promise;
    }
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      this.text += chunk;
      this.#more.resolve();
      this.#more = Promise.withResolvers();
    }
    this.#isOver = true;
    this.#more.resolve();
  }
}
