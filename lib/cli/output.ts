/**
 * All printing: results to stdout, everything else to stderr; `--json` is exactly one document, or
 * rows of a log.
 */
import { printable } from "../client/provider_http.ts";
import { KhachapuriError } from "../errors.ts";
import type { Sink, World } from "./world.ts";

const encoder = new TextEncoder();

export interface Output {
  readonly isJson: boolean;
  /** One human line on stdout; nothing under `--json`. */
  line(text?: string): void;
  /** The result under `--json`; nothing otherwise. bigint becomes a decimal string. */
  json(value: unknown): void;
  /** The same in one line, for those who read while the command still runs. */
  jsonLine(value: unknown): void;
  /** One of any number of documents under `--json`, each in one line; nothing otherwise. */
  row(value: unknown): void;
  /** The result both ways: `json` under `--json`, else the human lines. */
  result(json: unknown, lines: readonly string[]): void;
  /** Any number of human lines on stdout, printed while they come; nothing under `--json`. */
  lines(lines: Iterable<string>): void;
  /** The same of lines that are waited for. */
  linesAsTheyCome(lines: AsyncIterable<string>): Promise<void>;
  /** The result `{ [name]: [...] }` under `--json`, printed while its items come. */
  jsonList(name: string, items: Iterable<unknown>): void;
  /** The same of items that are waited for. */
  jsonListAsItComes(name: string, items: AsyncIterable<unknown>): Promise<void>;
  /** Raw bytes on stdout, for output that is not ours (a program's answer). */
  bytes(bytes: Uint8Array): void;
  /** Raw bytes on stderr (a program's own messages). */
  errorBytes(bytes: Uint8Array): void;
  /** A remark for the person, on stderr. */
  note(text: string): void;
  /** What is going on right now: one line on stderr that is replaced; only on a terminal. */
  progress(text: string): void;
  /** A failure: on stderr with its hints, under `--json` the document on stdout. */
  failure(error: KhachapuriError): void;
}

/** JSON as we print it: two spaces, bigint as decimal strings (the way x402 writes amounts). */
export function jsonText(value: unknown, indent = 2): string {
  const plain = (_: string, item: unknown) => typeof item === "bigint" ? String(item) : item;
  return `${JSON.stringify(value, plain, indent)}\n`;
}

/** What is printed in pieces: one for each item, and its end. */
interface Pieces<Item> {
  of(item: Item): string;
  end(): string;
}

const LINES: Pieces<string> = { of: (line) => `${line}\n`, end: () => "" };

/** `{ [name]: [...] }` as `jsonText` has it. */
function jsonListPieces(name: string): Pieces<unknown> {
  let count = 0;
  return {
    of(item) {
      const head = count++ === 0 ? `{\n  ${JSON.stringify(name)}: [\n    ` : ",\n    ";
      return head + jsonText(item).trimEnd().replaceAll("\n", "\n    ");
    },
    end: () => count === 0 ? jsonText({ [name]: [] }) : "\n  ]\n}\n",
  };
}

/** What is printed piece by piece goes out once there is so much of it, characters, */
const PIECES_CHARACTERS = 65_536;
/** or when the last went so long ago, ms. */
const PIECES_MS = 100;

/** Pieces joined, so that not each is a write of its own; the first goes at once. */
class Joined {
  #text = "";
  #since = -Infinity;

  constructor(private readonly print: Print) {}

  put(piece: string): void {
    this.#text += piece;
    const isShort = this.#text.length < PIECES_CHARACTERS;
    if (!isShort || performance.now() - this.#since >= PIECES_MS) this.flush();
  }

  flush(): void {
    if (this.#text !== "") this.print(this.#text);
    this.#text = "";
    this.#since = performance.now();
  }
}

type Print = (text: string) => void;

function printAll<Item>(items: Iterable<Item>, pieces: Pieces<Item>, print: Print): void {
  const joined = new Joined(print);
  for (const item of items) joined.put(pieces.of(item));
  joined.put(pieces.end());
  joined.flush();
}

async function printAsTheyCome<Item>(
  items: AsyncIterable<Item>,
  pieces: Pieces<Item>,
  print: Print,
): Promise<void> {
  const joined = new Joined(print);
  for await (const item of items) joined.put(pieces.of(item));
  joined.put(pieces.end());
  joined.flush();
}

/** Where several were asked and all failed, as gateways are: what each of them said. */
function eachSaid({ cause }: KhachapuriError): string[] {
  const errors: unknown[] = cause instanceof AggregateError ? cause.errors : [];
  return errors.flatMap((error) => error instanceof KhachapuriError ? [error.shortMessage] : []);
}

export function createOutput(world: Pick<World, "stdout" | "stderr">, isJson: boolean): Output {
  const { stdout, stderr } = world;
  let hasDocument = false;
  let hasProgress = false;
  const write = (sink: Sink, bytes: Uint8Array) => {
    // What is printed next would stand behind the progress line: clear that first.
    if (hasProgress) stderr.write(encoder.encode("\r\x1b[K"));
    hasProgress = false;
    sink.write(bytes);
  };
  const print = (sink: Sink, text: string) => write(sink, encoder.encode(text));
  const document = (text: string) => {
    if (!isJson) return;
    if (hasDocument) throw new TypeError("a command prints one JSON document");
    hasDocument = true;
    print(stdout, text);
  };
  const printOut = (text: string) => print(stdout, text);
  // A failure that comes before its first piece is a document of its own.
  const printDocument = (text: string) => {
    hasDocument = true;
    printOut(text);
  };
  const out: Output = {
    isJson,
    line: (text = "") => {
      if (!isJson) print(stdout, `${text}\n`);
    },
    json: (value) => document(jsonText(value)),
    jsonLine: (value) => document(jsonText(value, 0)),
    row: (value) => {
      if (!isJson) return;
      hasDocument = true;
      print(stdout, jsonText(value, 0));
    },
    result: (json, lines) => {
      if (isJson) out.json(json);
      else for (const line of lines) out.line(line);
    },
    lines: (lines) => isJson ? undefined : printAll(lines, LINES, printOut),
    linesAsTheyCome: async (lines) => {
      if (!isJson) await printAsTheyCome(lines, LINES, printOut);
    },
    jsonList: (name, items) => {
      if (isJson) printAll(items, jsonListPieces(name), printDocument);
    },
    jsonListAsItComes: async (name, items) => {
      if (isJson) await printAsTheyCome(items, jsonListPieces(name), printDocument);
    },
    bytes: (bytes) => write(stdout, bytes),
    errorBytes: (bytes) => write(stderr, bytes),
    note: (text) => print(stderr, `${text}\n`),
    progress: (text) => {
      if (!stderr.isTerminal()) return;
      print(stderr, `${text}…`);
      hasProgress = true;
    },
    failure: (error) => {
      const hints = [...eachSaid(error), ...error.hints];
      if (isJson && !hasDocument) {
        return out.json({ ...error.toJSON(), ...(hints.length > 0 ? { hints } : {}) });
      }
      // Strangers' words may be quoted in it.
      const lines = [`khachapuri: ${error.shortMessage} (${error.code})`];
      for (const hint of hints) lines.push(`  ${hint}`);
      for (const line of lines) print(stderr, `${printable(line)}\n`);
    },
  };
  return out;
}
