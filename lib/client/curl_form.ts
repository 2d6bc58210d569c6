/** multipart/form-data as -F makes it (RFC 7578). */
import { KhachapuriError } from "../errors.ts";

/** One part of a form. */
export interface FormPart {
  name: string;
  bytes: Uint8Array;
  /** null: a value, not a file. */
  filename: string | null;
  type: string | null;
  /** Whole fields, as `headers=` gives them. */
  headers: readonly string[];
}

const TYPES: Readonly<Record<string, string>> = {
  gif: "image/gif",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  png: "image/png",
  svg: "image/svg+xml",
  txt: "text/plain",
  htm: "text/html",
  html: "text/html",
  pdf: "application/pdf",
  xml: "application/xml",
};

const encoder = new TextEncoder();

/**
 * Reads the value of -F: `name=value`, `name=@file`, `name=<file`, with `;type=`, `;filename=` and
 * `;headers=` behind it.
 * @param read gets `@path`; `@-` is stdin
 * @throws KhachapuriError `usage`; what `read` throws
 */
export async function formPart(
  text: string,
  read: (from: string) => Promise<Uint8Array>,
): Promise<FormPart> {
  const [, name, content] = /^([^=]*)=([^]*)$/.exec(text) ?? [];
  if (content === undefined) throw usage(`-F takes name=value, not ${JSON.stringify(text)}`);
  if (/^[()]/.test(content)) {
    throw usage("-F with a form in a form is not taken", [
      "send the body with --data-binary @FILE",
    ]);
  }
  const [, sign, rest] = /^([@<]?)([^]*)$/.exec(content)!;
  const { value, ...attributes } = partOf(rest!, sign === "" ? ";" : ";,");
  const bytes = sign === "" ? encoder.encode(value) : await read(`@${value}`);
  if (sign !== "@" && attributes.filename !== null) {
    throw usage('-F: ";filename=" goes with name=@FILE');
  }
  const filename = sign === "@" ? attributes.filename ?? value.split("/").at(-1)! : null;
  const path = sign === "" || value === "-" ? null : value;
  return {
    name: name!,
    bytes,
    filename,
    type: attributes.type ?? defaultType(filename, path),
    headers: attributes.headers,
  };
}

/** --form-string: taken literally. */
export function literalPart(text: string): FormPart {
  const [, name, value] = /^([^=]*)=([^]*)$/.exec(text) ?? [];
  if (value === undefined) throw usage(`--form-string takes name=value, not ${text}`);
  return { name: name!, bytes: encoder.encode(value), filename: null, type: null, headers: [] };
}

/** A body and the boundary between its parts. */
export function encodeForm(
  parts: readonly FormPart[],
  isBackslashed: boolean,
): { bytes: Uint8Array<ArrayBuffer>; boundary: string } {
  const random = crypto.getRandomValues(new Uint8Array(8)).toHex();
  const boundary = `${"-".repeat(24)}${random}`;
  const pieces: (string | Uint8Array)[] = [];
  const quoted = (text: string) => isBackslashed ? backslashed(text) : percentQuoted(text);
  for (const { name, bytes, filename, type, headers } of parts) {
    const file = filename === null ? "" : `; filename="${quoted(filename)}"`;
    const isTyped = type !== null && !headers.some((line) => /^content-type[:;]/i.test(line));
    const fields = [
      `Content-Disposition: form-data; name="${quoted(name)}"${file}`,
      ...(isTyped ? [`Content-Type: ${type}`] : []),
      ...headers,
    ];
    pieces.push(`--${boundary}\r\n${fields.join("\r\n")}\r\n\r\n`, bytes, "\r\n");
  }
  pieces.push(`--${boundary}--\r\n`);
  const chunks = pieces.map((piece) => typeof piece === "string" ? encoder.encode(piece) : piece);
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { bytes, boundary };
}

interface PartText {
  value: string;
  type: string | null;
  filename: string | null;
  headers: string[];
}

/** @param ends what ends an unquoted word */
function partOf(text: string, ends: ";" | ";,"): PartText {
  const part: PartText = { value: "", type: null, filename: null, headers: [] };
  let { word, rest } = wordOf(text.trimStart(), ends);
  part.value = word;
  while (rest !== "") {
    if (rest[0] === ",") {
      throw usage("several files in one -F are not taken", ["give one -F name=@FILE for each"]);
    }
    const [, key, after] = /^;\s*([a-z]*)=?\s*([^]*)$/.exec(rest)!;
    if (key === "type") {
      const [, type, behind] = /^([^]*?)(?=$|,|;\s*(?:filename|headers|encoder)=)([^]*)$/.exec(
        after!,
      )!;
      if (!/^[^/ ]+\/[^;, \n]+/.test(type!)) throw usage(`-F: ${type} is no content type`);
      part.type = type!.trimEnd();
      rest = behind!;
      continue;
    }
    ({ word, rest } = wordOf(after!, ends));
    if (key === "filename") part.filename = word;
    else if (key === "headers" && !/^[@<]/.test(word)) part.headers.push(word);
    else {throw usage(`-F: ";${key === "headers" ? "headers=@" : `${key}${word}`}" is not taken`, [
        "in a value put the whole of it into double quotes, or use --form-string",
        'what is taken behind it: ";type=", ";filename=" and ";headers=Name: value"',
      ]);}
  }
  return part;
}

/** A word up to what ends it, or one in double quotes with `\"` and `\\`. */
function wordOf(text: string, ends: ";" | ";,"): { word: string; rest: string } {
  const quoted = /^"((?:[^"\\]|\\[^])*)"\s*(?=$|[;,])([^]*)$/.exec(text);
  if (quoted) return { word: quoted[1]!.replace(/\\(["\\])/g, "$1"), rest: quoted[2]! };
  const at = text.search(ends === ";" ? /;/ : /[;,]/);
  if (at < 0) return { word: text.trimEnd(), rest: "" };
  return { word: text.slice(0, at).trimEnd(), rest: text.slice(at) };
}

function defaultType(filename: string | null, path: string | null): string | null {
  const guess = typeOf(filename) ?? typeOf(path);
  if (filename !== null) return guess ?? (path === null ? null : "application/octet-stream");
  return guess === "text/plain" ? null : guess;
}

function typeOf(name: string | null): string | null {
  const [, extension] = /\.([a-z]+)$/i.exec(name ?? "") ?? [];
  return TYPES[extension?.toLowerCase() ?? ""] ?? null;
}

function percentQuoted(text: string): string {
  return text.replaceAll('"', "%22").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function backslashed(text: string): string {
  return text.replace(/["\\]/g, "\\$&");
}

function usage(message: string, hints: readonly string[] = []): KhachapuriError {
  return new KhachapuriError("usage", message, { hints });
}
