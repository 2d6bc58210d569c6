/** The interface "cgi": CGI/1.1 (RFC 3875). */
import type { Output } from "../../../../sandbox/output.ts";
import { RESPONSE_HEAD_BYTES_MAX } from "../../../limits.ts";
import { LineReader } from "../line_reader.ts";
import {
  type Invocation,
  type ProgramRequest,
  type ProgramResponse,
  runPerRequest,
} from "./interface.ts";
import { metaVariables, programFields } from "./meta_variables.ts";
import { bodyOf, endToEndHeaders, malformed, readFields } from "./response_head.ts";

/**
 * A CGI program gets no arguments. RFC 3875 section 4.4 would make them from a query without "=",
 * which lets a caller pass options to an interpreter (CVE-2012-1823).
 * @throws KhachapuriError `invalid_input` when the path holds what no variable can
 */
export function cgiInvocation(request: ProgramRequest): Invocation {
  return { args: [], env: metaVariables(request, programFields(request)) };
}

/**
 * Reads what the program prints, which must begin with a CGI header (RFC 3875 section 6).
 * @throws KhachapuriError `program_failed`; whatever `output` itself fails with
 */
export async function readCgiResponse(output: Output): Promise<ProgramResponse> {
  const lines = new LineReader(output, RESPONSE_HEAD_BYTES_MAX);
  try {
    return await readHead(lines);
  } catch (error) {
    await lines.cancel();
    throw error;
  }
}

async function readHead(lines: LineReader): Promise<ProgramResponse> {
  // An empty output is the program's failure to answer, which its exit code explains better.
  if (await lines.isEmpty()) {
    return { status: 200, headers: [], ...bodyOf(lines), hasHead: false };
  }
  const fields = await readFields(lines);
  const value = (name: string) => fields.find((field) => field[0] === name)?.[1];
  const location = value("location");
  const status = value("status");
  if (location === undefined && status === undefined && value("content-type") === undefined) {
    throw malformed("a CGI header needs Content-Type, Location or Status");
  }
  const implied = location === undefined ? 200 : 302;
  return {
    status: status === undefined ? implied : statusOf(status),
    headers: endToEndHeaders(fields.filter(([name]) => name !== "status")),
    ...bodyOf(lines),
    hasHead: true,
  };
}

/** RFC 3875 section 6.3.3. */
function statusOf(value: string): number {
  const match = /^([2-5][0-9]{2})(?: .*)?$/.exec(value);
  if (match) return Number(match[1]);
  throw malformed(`${JSON.stringify(value.slice(0, 80))} is no CGI status`);
}

export const cgi = runPerRequest(cgiInvocation, readCgiResponse);
