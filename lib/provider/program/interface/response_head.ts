/**
 * The header fields at the beginning of what a program prints, and the body behind them. Repeated
 * fields stay apart, as joining them would break some (RFC 9110 section 5.3: Set-Cookie,
 * WWW-Authenticate), but one that holds a single value is there once. Dropped are hop-by-hop
 * fields, payment fields, and Content-Length, which is read apart (announced_length.ts), as the
 * server frames the body that there is.
 */
import { KhachapuriError } from "../../../errors.ts";
import { RESPONSE_FIELDS_MAX } from "../../../limits.ts";
import {
  connectionOptions,
  type HeaderField,
  isEndToEnd,
  singly,
  TOKEN,
} from "../../http/header_rules.ts";
import type { LineReader } from "../line_reader.ts";
import type { ProgramResponse } from "./interface.ts";

/** What follows the head. */
export function bodyOf(lines: LineReader): Pick<ProgramResponse, "read" | "cancel"> {
  return { read: () => lines.read(), cancel: () => lines.cancel() };
}

/** @throws KhachapuriError `program_failed` */
export async function readFields(lines: LineReader): Promise<HeaderField[]> {
  const fields: HeaderField[] = [];
  while (true) {
    const line = await lines.line();
    if (line === "") return singly(fields, (name) => malformed(`it has two different ${name}`));
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

/** The fields that go on to the caller. */
export function endToEndHeaders(fields: readonly HeaderField[]): HeaderField[] {
  const options = fields.filter(([name]) => name === "connection").map((field) => field[1]);
  const connection = connectionOptions(options.join(","));
  return fields.filter(([name]) => name !== "content-length" && isEndToEnd(name, connection));
}

/** The program printed a head that is none. */
export function malformed(reason: string): KhachapuriError {
  return new KhachapuriError("program_failed", `the program printed a malformed head: ${reason}`);
}
