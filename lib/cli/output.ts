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
  /** The result `{ [name]: [...] }` under `--json`, printed while its items come. */
  jsonList(name: string, items: Iterable<unknown>): void;
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

/** `{ [name]: [...items] }` as `jsonText` has it, in pieces. */
function* jsonListPieces(name: string, items: Iterable<unknown>): Generator<string> {
  const indent = (value: unknown) => jsonText(value).trimEnd().replaceAll("\n", "\n    ");
  let count = 0;
  for (const item of items) {
    yield count++ === 0 ? `{\n  ${JSON.stringify(name)}: [\n    ` : ",\n    ";
    yield indent(item);
  }
  yield count === 0 ? jsonText({ [name]: [] }) : "\n  ]\n}\n";
}

/** What is printed piece by piece goes out once there is so much of it, characters, */
const PIECES_CHARACTERS = 65_536;
/** or when the last went so long ago, ms. */
const PIECES_MS = 100;

/** Pieces joined, so that not each is a write of its own; the first goes at once. */
function* joined(pieces: Iterable<string>): Generator<string> {
  let text = "";
  let since = -Infinity;
  for (const piece of pieces) {
    text += piece;
    if (text.length < PIECES_CHARACTERS && performance.now() - since < PIECES_MS) continue;
    yield text;
    text = "";
    since = performance.now();
  }
  if (text !== "") yield text;
}

function* linesOf(lines: Iterable<string>): Generator<string> {
  for (const line of lines) yield `${line}\n`;
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
    lines: (lines) => {
      if (isJson) return;
      for (const text of joined(linesOf(lines))) print(stdout, text);
    },
    jsonList: (name, items) => {
      if (!isJson) return;
      for (const text of joined(jsonListPieces(name, items))) {
        // A failure that comes before the first item is a document of its own.
        hasDocument = true;
        print(stdout, text);
      }
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
