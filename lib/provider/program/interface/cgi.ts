/** The interface "cgi": CGI/1.1 (RFC 3875). */
import type { ByteSource } from "../../../byte_source.ts";
import type { Output } from "../../../../sandbox/output.ts";
import type { RunRequest } from "../../../../sandbox/sandbox.ts";
import { RESPONSE_HEAD_BYTES_MAX } from "../../../limits.ts";
import type { HeaderField } from "../../http/header_rules.ts";
import { LineReader } from "../line_reader.ts";
import { announcedLength } from "./announced_length.ts";
import { type CgiResponse, CgiRun } from "./cgi_run.ts";
import {
  type Invocation,
  type ProgramInterface,
  type ProgramRequest,
  runRequest,
  sandboxOf,
} from "./interface.ts";
import { metaVariables, programFields } from "./meta_variables.ts";
import { bodyOf, endToEndHeaders, malformed, readFields } from "./response_head.ts";

/**
 * A CGI program gets no arguments. RFC 3875 section 4.4 would make them from a query without "=",
 * which lets a caller pass options to an interpreter (CVE-2012-1823).
 * @throws KhachapuriError `invalid_input` when a field contradicts itself, or the path holds what
 * no variable can
 */
export function cgiInvocation(request: ProgramRequest): Invocation {
  return { args: [], env: metaVariables(request, programFields(request)) };
}

/**
 * Reads what the program prints, which must begin with a CGI header (RFC 3875 section 6). A local
 * redirect is read as the client redirect that it is for whoever cannot follow it.
 * @throws KhachapuriError `program_failed`; whatever `output` itself fails with
 */
export async function readCgiResponse(output: Output): Promise<CgiResponse> {
  const lines = new LineReader(output, RESPONSE_HEAD_BYTES_MAX);
  try {
    return await readHead(lines);
  } catch (error) {
    await lines.cancel();
    throw error;
  }
}

async function readHead(lines: LineReader): Promise<CgiResponse> {
  // An empty output is the program's failure to answer, which its exit code explains better.
  if (await lines.isEmpty()) {
    const nothing = { announcedBytes: null, hasHead: false, localRedirect: null };
    return { status: 200, headers: [], ...bodyOf(lines), ...nothing };
  }
  const fields = await readFields(lines);
  const value = (name: string) => fields.find((field) => field[0] === name)?.[1];
  const location = value("location");
  const status = value("status");
  if (location === undefined && status === undefined && value("content-type") === undefined) {
    throw malformed("a CGI header needs Content-Type, Location or Status");
  }
  if (location === "") throw malformed("its Location is empty");
  const implied = location === undefined ? 200 : 302;
  return {
    status: status === undefined ? implied : statusOf(status),
    headers: endToEndHeaders(fields.filter(([name]) => !isForServer(name))),
    ...bodyOf(lines),
    announcedBytes: announcedLength(fields),
    hasHead: true,
    localRedirect: location !== undefined && isLocalRedirect(fields) ? location : null,
  };
}

/** RFC 3875 sections 6.3.3 and 6.3.5: what a program says to the server alone. */
function isForServer(name: string): boolean {
  return name === "status" || name.startsWith("x-cgi-");
}

/**
 * Location alone, and a path. Content-Type, which many print all the same, says nothing where there
 * is no document; with anything else in it, such as a cookie, it is meant for the client.
 */
function isLocalRedirect(fields: readonly HeaderField[]): boolean {
  return fields.every(([name, value]) =>
    name === "location" ? value.startsWith("/") : name === "content-type"
  );
}

/** RFC 3875 section 6.3.3. */
function statusOf(value: string): number {
  const match = /^([2-5][0-9]{2})(?: .*)?$/.exec(value);
  if (match) return Number(match[1]);
  throw malformed(`${JSON.stringify(value.slice(0, 80))} is no CGI status`);
}

export const cgi: ProgramInterface = {
  needsBodyLength: true,
  prepare(command, request) {
    const invocation = cgiInvocation(request);
    return async (place, body) => {
      const sandbox = sandboxOf(place);
      const { limits } = sandbox;
      const requestOf = (own: Invocation, stdin: ByteSource | null): RunRequest => ({
        ...runRequest(command, own, stdin),
        isInItsFolder: true, // RFC 3875 section 7.2
      });
      const run = await sandbox.run(requestOf(invocation, body));
      // Async, so that what cannot be passed is a rejection.
      const again = async (next: ProgramRequest) =>
        await sandbox.run(requestOf(cgiInvocation(next), null));
      return new CgiRun({ run, request, limits, read: readCgiResponse, again });
    };
  },
};
