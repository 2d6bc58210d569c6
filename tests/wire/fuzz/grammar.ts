/**
 * HTTP/1 by the grammar of RFC 9112 alone, read from a string at leisure: what a provider takes,
 * and nothing else. It shares no code with any server, so it finds where all of them are lenient.
 */
import { METHODS } from "node:http";

/** As `SeenRequest`, with whether the connection goes on after it. */
export interface GrammarRequest {
  readonly version: string;
  readonly method: string;
  readonly target: string;
  /** Names in lower case and values in turn. */
  readonly fields: readonly string[];
  readonly body: string;
  readonly isLast: boolean;
}

export interface GrammarReading {
  readonly requests: readonly GrammarRequest[];
  /** What is wrong after them; null: nothing so far. */
  readonly failure: string | null;
}

/** Heads, and trailers, of more octets are refused. */
const HEAD_BYTES_MAX = 16 * 1024;
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) +([\x21-\x7e]+) +HTTP\/(1\.[01])$/;
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;
const CHUNK_LINE = /^0*([0-9A-Fa-f]{1,15})((?:;[^\r\n]*)?)$/;
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED =
  '"(?:[\\t\\x20\\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"';
/** Without a name or a value, too: parsers in wide use take that, and it frames nothing. */
const EXTENSIONS = new RegExp(`^(?:;+(?:${TOKEN}|(?==))(?:=(?:${TOKEN}|${QUOTED})?)?)*$`);
/** No name of a host has the other characters that RFC 3986 section 3.2.2 would allow. */
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+)(?::([0-9]{0,5}))?$/;

/** Read as far as it goes: "more" octets are needed, or it is "wrong". */
class Stop extends Error {
  constructor(readonly kind: "more" | "wrong", what = "") {
    super(what);
  }
}

class Octets {
  at = 0;
  constructor(readonly all: string) {}

  /** A line without its end, which is CR LF; any other CR or LF is wrong. */
  line(): string {
    const end = this.all.slice(this.at).search(/[\r\n]/);
    if (end < 0) throw new Stop("more");
    const line = this.all.slice(this.at, this.at + end);
    const mark = this.all.slice(this.at + end, this.at + end + 2);
    if (mark === "\r") throw new Stop("more");
    if (mark !== "\r\n") throw new Stop("wrong", "a line end");
    this.at += end + 2;
    return line;
  }

  take(count: number): string {
    if (this.all.length - this.at < count) throw new Stop("more");
    this.at += count;
    return this.all.slice(this.at - count, this.at);
  }

  /** Empty lines before a request line (RFC 9112 section 2.2). */
  skipEmptyLines(): void {
    while (/[\r\n]/.test(this.all[this.at] ?? "")) this.at++;
  }
}

export function readByGrammar(all: string): GrammarReading {
  const octets = new Octets(all);
  const requests: GrammarRequest[] = [];
  try {
    while (!requests.at(-1)?.isLast) requests.push(request(octets));
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    return { requests, failure: error.kind === "wrong" ? error.message : null };
  }
  return { requests, failure: null };
}

function request(octets: Octets): GrammarRequest {
  octets.skipEmptyLines();
  const begin = octets.at;
  const [, method, target, version] = REQUEST_LINE.exec(octets.line()) ?? [];
  if (!method || !METHODS.includes(method)) throw new Stop("wrong", "the request line");
  const fields = fieldLines(octets);
  if (octets.at - begin > HEAD_BYTES_MAX) throw new Stop("wrong", "the head's size");
  const values = (name: string) => fields.flatMap(([key, value]) => key === name ? [value] : []);
  assertTarget(method, target!);
  assertHost(values("host"), version === "1.0");
  // RFC 9110 section 10.1.1; as a word of whatever list, since node has it so.
  const expects = values("expect");
  if (version === "1.1" && expects.some((value) => !/(?:^|\W)100-continue(?:$|\W)/i.test(value))) {
    throw new Stop("wrong", "Expect");
  }
  const body = content(octets, values("content-length"), values("transfer-encoding"), version!);
  const options = values("connection").join(",").toLowerCase().split(",").map((each) =>
    each.trim()
  );
  const isKept = version === "1.1" ? !options.includes("close") : options.includes("keep-alive");
  return {
    version: version!,
    method,
    target: target!,
    fields: fields.flat(),
    body,
    isLast: !isKept,
  };
}

function fieldLines(octets: Octets): [string, string][] {
  const fields: [string, string][] = [];
  for (let line = octets.line(); line !== ""; line = octets.line()) {
    const [, name, value] = FIELD_LINE.exec(line) ?? [];
    if (!name) throw new Stop("wrong", "a field line");
    // Tabs may be there, but no parser in wide use takes them behind what frames a message.
    const isFraming = /^(?:content-length|transfer-encoding)$/i.test(name);
    const trimmed = value!.replace(isFraming ? / +$/ : /[ \t]+$/, "");
    fields.push([name.toLowerCase(), trimmed]);
  }
  return fields;
}

function assertTarget(method: string, target: string): void {
  if (method === "CONNECT") throw new Stop("wrong", "CONNECT");
  if (target.includes("#")) throw new Stop("wrong", "a fragment");
  if (target.startsWith("/") || (target === "*" && method === "OPTIONS")) return;
  const [, authority = ""] = /^https?:\/\/([^/?]*)/i.exec(target) ?? [];
  if (!isHost(authority)) throw new Stop("wrong", "the target");
}

function assertHost(hosts: readonly string[], isOld: boolean): void {
  if (hosts.length === 0 && isOld) return;
  if (hosts.length !== 1 || !isHost(hosts[0]!)) throw new Stop("wrong", "Host");
}

function isHost(text: string): boolean {
  const match = HOST.exec(text);
  return match !== null && Number(match[1] ?? 0) <= 65_535;
}

/** RFC 9112 section 6.3, without its chances to guess. */
function content(
  octets: Octets,
  lengths: readonly string[],
  codings: readonly string[],
  version: string,
): string {
  if (codings.length === 0 && lengths.length === 0) return "";
  if (codings.length + lengths.length > 1) throw new Stop("wrong", "the framing");
  if (lengths.length === 1) {
    if (!/^[0-9]{1,19}$/.test(lengths[0]!)) throw new Stop("wrong", "the length");
    return octets.take(Number(lengths[0]));
  }
  if (codings[0]!.toLowerCase() !== "chunked" || version !== "1.1") {
    throw new Stop("wrong", "the coding");
  }
  return chunks(octets);
}

function chunks(octets: Octets): string {
  let body = "";
  while (true) {
    const [, hex, extensions] = CHUNK_LINE.exec(octets.line()) ?? [];
    if (!hex || !EXTENSIONS.test(extensions!)) throw new Stop("wrong", "a chunk's size");
    const size = parseInt(hex, 16);
    if (size === 0) break;
    body += octets.take(size);
    if (octets.line() !== "") throw new Stop("wrong", "a chunk's end");
  }
  for (const [name] of fieldLines(octets)) {
    if (name === "content-length" || name === "transfer-encoding") {
      throw new Stop("wrong", "a trailer");
    }
  }
  return body;
}
