/** The provider as its own process, started the way a user starts it; made to be killed. */
import { join } from "node:path";
import { HELPER, permissions } from "../tools/permissions.ts";
import { V8_FLAGS } from "../tools/v8_flags.ts";
import { binaryUnderTest } from "./command_line.ts";

const ROOT = join(import.meta.dirname!, "..");

export interface ChildProvider {
  readonly pid: number;
  /** Where it listens; null when it ended before it did. */
  readonly url: Promise<string | null>;
  /** Resolves with the next line of this message; to be asked before what brings it. */
  logged(message: string): Promise<void>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** SIGTERM: runs end, what is due is settled. Returns the exit code. */
  stop(): Promise<number>;
  /** Its exit code, once it has ended by itself. */
  readonly ended: Promise<number>;
}

export interface ChildOptions {
  logLevel?: "debug" | "info";
  root?: string;
  /** It takes the place of the provider that runs. */
  isSuccessor?: boolean;
}

/**
 * Starts `serve`, from source or the built file under test, on the configuration in `home`; its log
 * goes to `<home>/provider.log`.
 * What is measured asks for level "info", as a provider runs: a line for each call costs a tenth.
 * `root` is another checkout to start it from.
 */
export async function startChildProvider(
  home: string,
  { logLevel = "debug", root = ROOT, isSuccessor = false }: ChildOptions = {},
): Promise<ChildProvider> {
  const [program, ...flags] = commandOf(root);
  const own = isSuccessor ? ["--take-over"] : [];
  const process = new Deno.Command(program!, {
    args: [...flags, "serve", ...own, "--home", home, "--log-level", logLevel],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const log = await Deno.open(`${home}/provider.log`, { create: true, append: true });
  const heard = new HeardLines();
  const written = process.stderr.pipeThrough(heard.stream).pipeTo(log.writable).catch(() => {});
  const url = listeningUrl(process.stdout);
  async function end(signal: Deno.Signal): Promise<number> {
    try {
      process.kill(signal);
    } catch {
      // It is gone already.
    }
    const { code } = await process.status;
    await Promise.all([url, written]);
    return code;
  }
  return {
    pid: process.pid,
    url,
    logged: (message) => heard.next(message),
    kill: async () => void await end("SIGKILL"),
    stop: () => end("SIGTERM"),
    ended: process.status.then(({ code }) => code),
  };
}

/** Another checkout is measured against this one: it is started from its sources always. */
function commandOf(root: string): string[] {
  const binary = binaryUnderTest();
  if (binary !== null && root === ROOT) return [binary];
  const granted = permissions(join(root, HELPER));
  const flags = ["--no-check", "--frozen", "--no-prompt", V8_FLAGS, ...granted];
  return [Deno.execPath(), "run", ...flags, join(root, "main.ts")];
}

/** Passes a log on, and tells of messages in it that somebody waits for. */
class HeardLines {
  readonly #awaited = new Map<string, () => void>();
  #rest = "";

  readonly stream = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      controller.enqueue(chunk);
      const lines = (this.#rest + new TextDecoder().decode(chunk)).split("\n");
      this.#rest = lines.pop()!;
      for (const line of lines) this.#hear(line);
    },
  });

  next(message: string): Promise<void> {
    return new Promise((resolve) => this.#awaited.set(message, resolve));
  }

  #hear(line: string): void {
    for (const [message, resolve] of this.#awaited) {
      if (line.includes(JSON.stringify(message))) resolve();
    }
  }
}

/** Scripts wait for the line "listening on URL" (or its JSON); so do we. */
function listeningUrl(stdout: ReadableStream<Uint8Array>): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  (async () => {
    let head = "";
    for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
      head = (head + text).slice(-1_000);
      const [url] = /https?:\/\/127\.0\.0\.1:\d+(?=\D)/.exec(head) ?? [];
      if (url) resolve(url);
    }
  })().catch(() => {}).finally(() => resolve(null));
  return promise;
}
