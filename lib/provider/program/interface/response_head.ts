/**
 * What a program prints, read as an HTTP response: the head as `curl -i` prints it, or the header
 * of a CGI program (RFC 3875 section 6), and everything after it streamed as the body.
 */
import type { Output } from "../../../../sandbox/output.ts";
import { KhachapuriError } from "../../../errors.ts";
import { RESPONSE_FIELDS_MAX, RESPONSE_HEAD_BYTES_MAX } from "../../../limits.ts";
import type { Spec } from "../../../spec/schema.ts";
import { connectionOptions, type HeaderField, isEndToEnd, TOKEN } from "../../http/header_rules.ts";
import { createLineReader, type LineReader } from "../line_reader.ts";

export interface ProgramResponse {
  /** 200 to 599. */
  status: number;
  headers: HeaderField[];
  /** The next chunk of what follows the head; null at its end. Fails as the output does. */
  read(): Promise<Uint8Array | null>;
  /** Gives up the rest of the program's output; never throws. */
  cancel(): Promise<void>;
  /** Whether the program printed a head; false when all of its output is the body. */
  hasHead: boolean;
}

/**
 * Reads the head of a program's output. For "curl": output that begins with `HTTP/` is a head,
 * with any interim (1xx) ones before it; all other output is the body of a 200. For "cgi": a CGI
 * header is required.
 *
 * Dropped: hop-by-hop fields, payment fields, and Content-Length, as the server frames the body
 * that there is instead of the one that was announced.
 * @throws KhachapuriError `program_failed` when the head is malformed, cut off or larger than
 *   RESPONSE_HEAD_BYTES_MAX; whatever `output` itself fails with
 */
export async function readResponse(
  output: Output,
  style: Spec["interface"],
): Promise<ProgramResponse> {
  const lines = createLineReader(output, RESPONSE_HEAD_BYTES_MAX);
  try {
    if (style === "cgi") return await readCgi(lines);
    if (await lines.startsWith("HTTP/")) return await readCurl(lines);
    return { status: 200, headers: [], ...rest(lines), hasHead: false };
  } catch (error) {
    await lines.cancel();
    throw error;
  }
}

function rest({ read, cancel }: LineReader): Pick<ProgramResponse, "read" | "cancel"> {
  return { read, cancel };
}

async function readCurl(lines: LineReader): Promise<ProgramResponse> {
  while (true) {
    const status = statusOf(await lines.line());
    const fields = await readFields(lines);
    if (status >= 200) {
      return { status, headers: endToEndHeaders(fields), ...rest(lines), hasHead: true };
    }
  }
}

/** HTTP/1.1 as on the wire, and HTTP/2 or HTTP/3 the way curl prints them. */
function statusOf(line: string): number {
  const match = /^HTTP\/[1-9](?:\.[0-9])? ([0-9]{3})(?: .*)?$/.exec(line);
  const status = Number(match?.[1]);
  if (status >= 100 && status <= 599) return status;
  throw malformed(`${JSON.stringify(line.slice(0, 80))} is no status line`);
}

async function readCgi(lines: LineReader): Promise<ProgramResponse> {
  // An empty output is the program's failure to answer, which its exit code explains better.
  if (await lines.isEmpty()) {
    return { status: 200, headers: [], ...rest(lines), hasHead: false };
  }
  const fields = await readFields(lines);
  const value = (name: string) => fields.find((field) => field[0] === name)?.[1];
  const location = value("location");
  const status = value("status");
  if (location === undefined && status === undefined && value("content-type") === undefined) {
    throw malformed("a CGI header needs Content-Type, Location or Status");
  }
  const headers = endToEndHeaders(fields.filter(([name]) => name !== "status"));
  const implied = location === undefined ? 200 : 302;
  return {
    status: status === undefined ? implied : cgiStatus(status),
    headers,
    ...rest(lines),
    hasHead: true,
  };
}

/** RFC 3875 section 6.3.3. */
function cgiStatus(value: string): number {
  const match = /^([2-5][0-9]{2})(?: .*)?$/.exec(value);
  if (match) return Number(match[1]);
  throw malformed(`${JSON.stringify(value.slice(0, 80))} is no CGI status`);
}

async function readFields(lines: LineReader): Promise<HeaderField[]> {
  const fields: HeaderField[] = [];
  while (true) {
    const line = await lines.line();
    if (line === "") return fields;
    fields.push(parseField(line));
    if (fields.length > RESPONSE_FIELDS_MAX) {
      throw malformed(`it has more than ${RESPONSE_FIELDS_MAX} fields`);
    }
  }
}

/** RFC 9112 section 5, without the folded lines that it deprecates. */
function parseField(line: string): HeaderField {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(colon, 0));
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
  if (!TOKEN.test(name)) {
    throw malformed(`${JSON.stringify(line.slice(0, 80))} is no header field`);
  }
  // deno-lint-ignore no-control-regex -- control characters are what is being refused
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) throw malformed(`${name} holds control characters`);
  return [name.toLowerCase(), value];
}

/** Repeated ones as one line, but for cookies (RFC 9110 section 5.3). */
function endToEndHeaders(fields: readonly HeaderField[]): HeaderField[] {
  const options = fields.filter(([name]) => name === "connection").map((field) => field[1]);
  const connection = connectionOptions(options.join(","));
  const kept = new Map<string, HeaderField>();
  const cookies: HeaderField[] = [];
  for (const [name, value] of fields) {
    if (name === "content-length" || !isEndToEnd(name, connection)) continue;
    const before = kept.get(name);
    if (name === "set-cookie") cookies.push([name, value]);
    else if (before) before[1] += `, ${value}`;
    else kept.set(name, [name, value]);
  }
  return [...kept.values(), ...cookies];
}

function malformed(reason: string): KhachapuriError {
  return new KhachapuriError("program_failed", `the program printed a malformed head: ${reason}`);
}
