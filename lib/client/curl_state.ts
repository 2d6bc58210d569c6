/** What curl's options say so far, while a command line is read. */
import { KhachapuriError } from "../errors.ts";
import { standardStream } from "../files.ts";
import type { DataPiece } from "./curl_data.ts";
import type { FormPart } from "./curl_form.ts";

/** Where `@file`, `@-` and the like come from. */
export interface CurlInputs {
  /** @throws KhachapuriError that names the file and says what is wrong with it */
  file(path: string): Promise<Uint8Array>;
  stdin(): Promise<Uint8Array>;
}

/** One name and value, as written. */
export type Field = readonly [name: string, value: string];

export class CurlState {
  targets: string[] = [];
  customMethod: string | null = null;
  readonly headers: Field[] = [];
  /** In lower case: what `-H 'name:'` takes out. */
  readonly removed = new Set<string>();
  readonly data: DataPiece[] = [];
  readonly form: FormPart[] = [];
  readonly query: string[] = [];
  readonly cookies: string[] = [];
  upload: { path: string; bytes: Uint8Array } | null = null;
  isJson = false;
  isFormBackslashed = false;
  user: string | null = null;
  bearer: string | null = null;
  range: string | null = null;
  /** null: curl's own; "": none. */
  userAgent: string | null = null;
  referer = "";
  output: string | null = null;
  outputDir: string | null = null;
  dumpHeader: string | null = null;
  writeOut: string | null = null;
  cacert: string | null = null;
  maxTimeMs: number | null = null;
  connectTimeoutMs: number | null = null;
  expectTimeoutMs = 1_000;
  redirectsMax = 50;
  retries = 0;
  retryDelayMs: number | null = null;
  retryTimeMs: number | null = null;
  /** Options that are on or off, by curl's name. */
  readonly switches = new Set<string>();

  #isStdinRead = false;
  #isHostDecided = false;

  constructor(private readonly inputs: CurlInputs) {}

  isOn(name: string): boolean {
    return this.switches.has(name);
  }

  /** The bytes of `@path` (or `path`), of stdin for "-", which is empty the second time. */
  async read(from: string): Promise<Uint8Array> {
    const path = from.replace(/^@/, "");
    if (path !== "-" && standardStream(path) !== 0) return await this.inputs.file(path);
    if (this.#isStdinRead) return new Uint8Array();
    this.#isStdinRead = true;
    return await this.inputs.stdin();
  }

  async addData(value: string, kind: "ascii" | "raw" | "binary"): Promise<void> {
    const isFile = kind !== "raw" && value.startsWith("@");
    const bytes = isFile ? await this.read(value) : new TextEncoder().encode(value);
    this.data.push({
      bytes: isFile && kind === "ascii" ? withoutLineEnds(bytes) : bytes,
      glue: "&",
    });
  }

  /** `name: value`, `name:` (leave the default out), `name;` (send it empty), `@file`. */
  async addHeaders(value: string): Promise<void> {
    if (!value.startsWith("@")) return this.#addHeader(value);
    const lines = utf8(await this.read(value), value.slice(1)).split(/\r?\n/);
    for (const line of lines) if (line !== "") this.#addHeader(line);
  }

  #addHeader(line: string): void {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:(;)\s*|:[ \t]*([^\r\n\0]*?)[ \t]*)$/.exec(line);
    if (!match) {
      throw usage(`-H takes 'name: value', not ${JSON.stringify(line)}`, [
        "'name:' leaves a field out, 'name;' sends it without a value",
      ]);
    }
    const [, name, empty, value] = match;
    const folded = name!.toLowerCase();
    if (folded === "host" && this.#isHostDecided) return;
    // As in curl the first Host stands for all, unless it is `Host:` to the letter: behind that
    // others are fields like any.
    this.#isHostDecided ||= folded === "host" && line !== "Host:" && !this.removed.has(folded);
    if (empty) this.headers.push([name!, ""]);
    else if (value === "") this.removed.add(folded);
    else this.headers.push([name!, value!]);
  }
}

/** A value that becomes one of a field. @throws KhachapuriError `usage` */
export function fieldValue(flag: string, value: string): string {
  if (!/[\r\n\0]/.test(value)) return value;
  throw usage(`${flag} has no line ends in its value`);
}

export function usage(message: string, hints: readonly string[] = []): KhachapuriError {
  return new KhachapuriError("usage", message, { hints });
}

/** -d @file drops carriage returns, newlines and null bytes (curl(1)). */
function withoutLineEnds(bytes: Uint8Array): Uint8Array {
  return bytes.filter((byte) => byte !== 0 && byte !== 10 && byte !== 13);
}

function utf8(bytes: Uint8Array, from: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new KhachapuriError("invalid_input", `${from}: not UTF-8 text`, { cause });
  }
}
