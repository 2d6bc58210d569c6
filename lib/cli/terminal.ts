/** The real world of a process: its streams, its terminal, its signals. */
import { KhachapuriError } from "../errors.ts";
import type { Sink, World } from "./world.ts";

/** @param args the arguments without the program's name */
export function processWorld(args: readonly string[]): World {
  return {
    args,
    stdin: {
      // A getter: making the stream would take the bytes away from a prompt.
      get readable() {
        return Deno.stdin.readable;
      },
      isTerminal: () => Deno.stdin.isTerminal(),
    },
    stdout: sink(Deno.stdout),
    stderr: sink(Deno.stderr),
    env: (name) => Deno.env.get(name),
    ask,
    stopSignal,
    onHangUp: (callback) => Deno.addSignalListener("SIGHUP", callback),
  };
}

function sink(stream: typeof Deno.stdout): Sink {
  return {
    write(bytes) {
      for (let rest = bytes; rest.length > 0;) rest = rest.subarray(stream.writeSync(rest));
    },
    isTerminal: () => stream.isTerminal(),
  };
}

function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => controller.abort(signal));
  }
  return controller.signal;
}

const ENTER = new Set(["\r", "\n"]);
const ERASE = new Set(["\x7f", "\b"]);
const INTERRUPT = new Set(["\x03", "\x04"]);

/**
 * Reads one line. A hidden one is read in raw mode, where the terminal echoes nothing; Ctrl-C then
 * reaches us as a character.
 */
async function ask(question: string, hidden: boolean): Promise<string> {
  const stderr = sink(Deno.stderr);
  const print = (text: string) => stderr.write(new TextEncoder().encode(text));
  print(question);
  if (hidden) Deno.stdin.setRaw(true);
  try {
    return await readLine();
  } finally {
    if (hidden) {
      Deno.stdin.setRaw(false);
      print("\n");
    }
  }
}

async function readLine(): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(256);
  let line = "";
  while (true) {
    const count = await Deno.stdin.read(buffer);
    if (count === null) return line;
    for (const char of decoder.decode(buffer.subarray(0, count), { stream: true })) {
      if (ENTER.has(char)) return line;
      if (INTERRUPT.has(char)) throw new KhachapuriError("usage", "interrupted");
      line = ERASE.has(char) ? line.slice(0, -1) : line + char;
    }
  }
}
