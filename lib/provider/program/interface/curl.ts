/**
 * The interface "curl": a program is called with the arguments that one would give curl, and what
 * it prints is read as `curl -i` prints an answer.
 */
import type { Output } from "../../../../sandbox/output.ts";
import { RESPONSE_HEAD_BYTES_MAX } from "../../../limits.ts";
import type { HeaderField } from "../../http/header_rules.ts";
import { LineReader } from "../line_reader.ts";
import { announcedLength, asAnnounced } from "./announced_length.ts";
import {
  type Invocation,
  type ProgramInterface,
  type ProgramRequest,
  type ProgramResponse,
  programRun,
  runRequest,
  sandboxOf,
} from "./interface.ts";
import { metaVariables, programFields, requestUri } from "./meta_variables.ts";
import { bodyOf, endToEndHeaders, malformed, readFields } from "./response_head.ts";

/** What curl makes up itself from the URL and the body; a second copy would contradict it. */
const CURLS_OWN: ReadonlySet<string> = new Set(["host", "content-length", "expect"]);

/**
 * The program's arguments and environment for one request. Real curl accepts the arguments as they
 * stand: `-q -g` keep it from reading a config file and from expanding brackets in the URL, `-s -S`
 * from drawing a progress meter but not from saying what went wrong, which is for the owner; a HEAD
 * is `-I`, and a header without a value is written `name;`. No part of a request can become an
 * option: each value is the argument of a flag, and the URL begins with its scheme.
 * @throws KhachapuriError `invalid_input` when a field contradicts itself, or the path holds what
 * no variable can
 */
export function curlInvocation(request: ProgramRequest): Invocation {
  const fields = programFields(request);
  return { args: curlArguments(request, fields), env: metaVariables(request, fields) };
}

function curlArguments(request: ProgramRequest, fields: readonly HeaderField[]): string[] {
  const { method, base, hasBody, payer } = request;
  const isHead = method === "HEAD";
  const args = ["-q", "-g", "-s", "-S", ...(isHead ? ["-I"] : ["-i", "-X", method])];
  for (const [name, value] of fields) {
    if (!CURLS_OWN.has(name)) args.push("-H", value === "" ? `${name};` : `${name}: ${value}`);
  }
  if (payer !== null) args.push("-H", `khachapuri-payer: ${payer}`);
  // With -I curl takes no body, and the body of a HEAD means nothing (RFC 9110 section 9.3.2).
  if (hasBody && !isHead) args.push("--data-binary", "@-");
  args.push(`${base.origin}${requestUri(request)}`);
  return args;
}

/**
 * Reads what the program prints: output that begins with `HTTP/` is a head, with any interim (1xx)
 * ones before it; all other output is the body of a 200.
 * @throws KhachapuriError `program_failed`; whatever `output` itself fails with
 */
export async function readCurlResponse(output: Output): Promise<ProgramResponse> {
  const lines = new LineReader(output, RESPONSE_HEAD_BYTES_MAX);
  try {
    if (await lines.startsWith("HTTP/")) return await readHeads(lines);
    return { status: 200, headers: [], ...bodyOf(lines), announcedBytes: null, hasHead: false };
  } catch (error) {
    await lines.cancel();
    throw error;
  }
}

async function readHeads(lines: LineReader): Promise<ProgramResponse> {
  while (true) {
    const status = statusOf(await lines.line());
    if (status === 101) throw malformed("a program cannot switch protocols (101)");
    const fields = await readFields(lines);
    if (status >= 200) {
      const headers = endToEndHeaders(fields);
      const announcedBytes = announcedLength(fields);
      return { status, headers, ...bodyOf(lines), announcedBytes, hasHead: true };
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

export const curl: ProgramInterface = {
  needsBodyLength: false,
  prepare(command, request) {
    const invocation = curlInvocation(request);
    return async (place, body) => {
      const run = await sandboxOf(place).run(runRequest(command, invocation, body));
      const read = async (output: Output) =>
        asAnnounced(await readCurlResponse(output), request.method);
      return programRun(run, read);
    };
  },
};
