/** `serve` started from a file, as a service manager or a shell starts it, and followed. */
import { childLines } from "./child_lines.ts";

export interface ServedProgram extends AsyncDisposable {
  /** Of the first process. */
  readonly pid: number;
  /** Its first URL; null when it ended before it served. */
  readonly url: string | null;
  /** Everything in the log so far, of all processes. */
  readonly log: readonly Record<string, unknown>[];
  /** Resolves with the next line of this message; to be asked before what brings it. */
  logged(message: string): Promise<Record<string, unknown>>;
  signal(signal: Deno.Signal): void;
  /** The exit code of the first process. */
  readonly ended: Promise<number>;
}

export interface ServeOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What starts it, in place of itself. */
  readonly through?: (command: readonly string[]) => [string, string[]];
}

/** Starts it, and waits until it serves. */
export async function serveProgram(
  file: string,
  home: string,
  { env = {}, through = ([command, ...args]) => [command!, args] }: ServeOptions = {},
): Promise<ServedProgram> {
  const [command, args] = through([file, "serve", "--home", home, "--log-level", "debug"]);
  const child = new Deno.Command(command, {
    args,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const log: Record<string, unknown>[] = [];
  const waiting: { message: string; resolve: (line: Record<string, unknown>) => void }[] = [];
  const reading = childLines(child.stderr, (text) => {
    const line = parsed(text);
    log.push(line);
    for (const each of [...waiting]) {
      if (each.message !== line.message) continue;
      waiting.splice(waiting.indexOf(each), 1);
      each.resolve(line);
    }
  });
  const { promise: url, resolve } = Promise.withResolvers<string | null>();
  const printing = childLines(child.stdout, (text) => {
    const [, found] = /^listening on (\S+)$/.exec(text) ?? [];
    if (found) resolve(found);
  }).then(() => resolve(null));
  const signal = (name: Deno.Signal) => {
    try {
      child.kill(name);
    } catch {
      // It has ended.
    }
  };
  return {
    pid: child.pid,
    url: await url,
    log,
    logged: (message) => new Promise((resolve) => waiting.push({ message, resolve })),
    signal,
    ended: child.status.then(({ code }) => code),
    async [Symbol.asyncDispose]() {
      signal("SIGTERM");
      await Promise.all([child.status, reading, printing]);
    },
  };
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text };
  }
}
