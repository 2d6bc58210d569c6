/** The file of a ledger (format.ts), written and read in pieces: it may be of any length. */
import { createHash } from "node:crypto";
import { KhachapuriError } from "../../../errors.ts";
import { named } from "../../../files.ts";
import { FORMAT, FORMAT_VERSION, type Header, type Line, type Whose } from "./format.ts";
import { difference, type EndLine, Totals, type TotalsJson } from "./totals.ts";

/** Characters that are compressed together. */
const CHUNK_CHARACTERS = 65_536;

/**
 * The file's bytes.
 * @param onEnd told what it came to, before the last of them
 */
export function fileOf(
  header: Header,
  lines: AsyncIterable<Line>,
  onEnd: (totals: TotalsJson) => void = () => {},
): ReadableStream<Uint8Array> {
  return ReadableStream.from(textOf(header, lines, onEnd))
    .pipeThrough(new TextEncoderStream())
    .pipeThrough(new CompressionStream("gzip"));
}

async function* textOf(
  header: Header,
  lines: AsyncIterable<Line>,
  onEnd: (totals: TotalsJson) => void,
): AsyncGenerator<string> {
  const totals = new Totals();
  const hash = createHash("sha256");
  let chunk = `${JSON.stringify(header)}\n`;
  for await (const line of lines) {
    const text = JSON.stringify(line);
    totals.take(line, text);
    chunk += `${text}\n`;
    if (chunk.length < CHUNK_CHARACTERS) continue;
    hash.update(chunk);
    yield chunk;
    chunk = "";
  }
  hash.update(chunk);
  const end: EndLine = ["end", { totals: totals.json(), sha256: hash.digest("hex") }];
  onEnd(end[1].totals);
  yield `${chunk}${JSON.stringify(end)}\n`;
}

/** A file that was read to its end and found whole. */
export interface WholeFile {
  readonly header: Header;
  readonly totals: TotalsJson;
}

/**
 * Reads all of a file, so that nothing is begun with one that was cut or changed.
 * @throws KhachapuriError `file_unusable`, `invalid_input` for one of something else
 */
export async function readWhole(path: string, whose: Whose): Promise<WholeFile> {
  const totals = new Totals();
  const hash = createHash("sha256");
  let header: Header | null = null;
  let end: EndLine | null = null;
  for await (const text of textLines(path)) {
    if (end !== null) throw damaged(path, "something stands behind its end");
    if (header === null) {
      header = headerIn(path, text, whose);
      hash.update(`${text}\n`);
      continue;
    }
    const line = lineIn(path, text);
    if (line[0] === "end") {
      end = line;
      continue;
    }
    hash.update(`${text}\n`);
    try {
      totals.take(line, text);
    } catch {
      throw damaged(path, `a line of the kind "${line[0]}" makes no sense`);
    }
  }
  if (header === null || end === null) throw damaged(path, "its end is missing");
  if (end[1].sha256 !== hash.digest("hex")) throw damaged(path, "its digest is another");
  const found = totals.json();
  const wrong = difference(end[1].totals, found);
  if (wrong !== null) throw damaged(path, wrong);
  return { header, totals: found };
}

/** The lines of a file that `readWhole` has found whole. */
export async function* linesOf(path: string): AsyncGenerator<Line> {
  let isFirst = true;
  for await (const text of textLines(path)) {
    const line = isFirst ? null : lineIn(path, text);
    if (line?.[0] === "end") return;
    if (line !== null) yield line;
    isFirst = false;
  }
}

async function* textLines(path: string): AsyncGenerator<string> {
  const file = await named(path, "read", Deno.open(path));
  const text = file.readable
    .pipeThrough(new DecompressionStream("gzip"))
    .pipeThrough(new TextDecoderStream("utf-8", { fatal: true }));
  let rest = "";
  try {
    for await (const chunk of text) {
      const lines = chunk.split("\n");
      lines[0] = rest + lines[0];
      rest = lines.pop()!;
      yield* lines;
    }
  } catch (error) {
    throw damaged(path, (error as Error).message);
  }
  if (rest !== "") throw damaged(path, "its last line is cut");
}

function lineIn(path: string, text: string): Line | EndLine {
  try {
    const line = JSON.parse(text);
    if (Array.isArray(line)) return line as unknown as Line | EndLine;
  } catch {
    // Told below.
  }
  throw damaged(path, "a line is none of a ledger's");
}

function headerIn(path: string, text: string, whose: Whose): Header {
  let header: Partial<Header>;
  try {
    header = Object(JSON.parse(text));
  } catch {
    header = {};
  }
  if (header.khachapuri !== FORMAT) {
    throw new KhachapuriError("invalid_input", `${path} is no file of khachapuri ledger export`);
  }
  if (header.version !== FORMAT_VERSION) {
    const message = `${path} was written by another release (${header.release})`;
    throw new KhachapuriError("invalid_input", message, { hints: ["import it with that release"] });
  }
  for (const [name, ours] of Object.entries(whose)) {
    const theirs = header[name as keyof Whose];
    if (theirs === ours) continue;
    const message = `${path} is of another ${name}: ${theirs}, and this is ${ours}`;
    throw new KhachapuriError("invalid_input", message);
  }
  return header as Header;
}

function damaged(path: string, why: string): KhachapuriError {
  return new KhachapuriError("file_unusable", `${path} is not what was exported: ${why}`, {
    hints: ["make it anew: khachapuri ledger export FILE"],
  });
}
