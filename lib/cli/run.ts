/** `run`: one call of a program in the real sandbox, with curl's flags, without chain or IPFS. */
import { STATUS_CODES } from "node:http";
import type { RunRecord } from "../../sandbox/sandbox.ts";
import { parseCurlFlags } from "../client/curl_flags.ts";
import type { WireRequest } from "../client/curl_request.ts";
import type { CurlAnswer } from "../client/curl_send.ts";
import { printable } from "../client/provider_http.ts";
import { type CurlUrl, originOf, parseCurlUrl } from "../client/curl_url.ts";
import { KhachapuriError } from "../errors.ts";
import type { Diagnosis } from "../provider/program/detector.ts";
import { type Rehearsal, rehearse, type Stage } from "../provider/program/rehearsal.ts";
import { defineCommand } from "./command.ts";
import { runFacts, transferToJson } from "./answer_json.ts";
import { noteLeftOut } from "./left_out_note.ts";
import { localHost } from "./local_host.ts";
import { LOCAL_OPTIONS, localChoices, PROGRAM_OPTIONS } from "./program_flags.ts";
import { missingArgument } from "./arguments.ts";
import { curlInputs, transferAndPrint } from "./curl_output.ts";
import { addressOf } from "./parties.ts";
import { linesTo } from "./program_lines.ts";
import { withFileFlags } from "./program_file.ts";
import { noteServer } from "./server_note.ts";

export const run = defineCommand({
  usage: "[flags] DIR [curl flags] PATH_OR_URL",
  details: [
    "Calls the program in DIR the way a provider would: packed, in the sandbox, with the same " +
    "arguments and environment. Prints what curl would print; the program's stderr goes to " +
    "stderr.",
    "Flags of ours come before DIR, curl's own after it. Those of deploy that DIR's " +
    "khachapuri.json holds need not be given.",
  ],
  examples: [
    "run samples/hello /",
    "run samples/echo -i -X PUT -H 'x-a: 1' --data-binary @photo.jpg '/album?n=1'",
    "run --egress api.example.com:443 --connect-to api.example.com:443:127.0.0.1:8443 . /",
    "run --interface http --entrypoint server.js . /",
    "run --env-file .env --timeout 5 . -d name=Nino https://provider.example/greet",
  ],
  options: { ...PROGRAM_OPTIONS, ...LOCAL_OPTIONS },
  rawArgs: true,
  isFolderFirst: true,
  async run(context, { options, raw }) {
    const [dir, ...flags] = raw;
    if (dir === undefined || flags.length === 0) throw missingArgument("run", run);
    const program = await withFileFlags(dir, options);
    const choices = await localChoices(program);
    const curl = await parseCurlFlags(flags, curlInputs(context.world));
    const url = targetUrl(curl.target, curl.request.isPathAsIs);
    await noteServer(context, dir, program);
    await noteLeftOut(context, dir);
    const { out } = context;
    // A document has it in a field of its own.
    const ear = linesTo((line) => out.isJson || out.errorBytes(line));
    await using stage = await rehearse(await localHost(context), {
      dir,
      ...choices,
      payer: options.payer === undefined ? null : addressOf(options.payer, "--payer"),
      onOutput: (bytes) => ear.hear(bytes),
    });
    const rehearsals: Rehearsal[] = [];
    const exchange = async (request: WireRequest, signal: AbortSignal | null) => {
      assertHere(request.url, url);
      const rehearsal = await callProgram(stage, request, ear.hear, signal);
      rehearsals.push(rehearsal);
      return await answerOf(rehearsal, request);
    };
    if (out.isJson) {
      await transferToJson(out, curl, url, exchange, () => runFacts(rehearsals.at(-1)!.record));
      return;
    }
    try {
      await transferAndPrint(out, curl, url, exchange);
    } finally {
      // What is said of the runs follows what they said themselves.
      await Promise.allSettled(rehearsals.map(({ record }) => record));
      ear.close();
    }
    const found = await rehearsals.at(-1)!.diagnosis();
    if (found) out.note(printable(`note: ${found.full}\n  ${found.hint}`));
  },
});

/** A path is one on a provider of the name "provider.example". */
function targetUrl(target: string, isPathAsIs: boolean): CurlUrl {
  const text = /^https?:\/\//i.test(target)
    ? target
    : `http://provider.example/${target.replace(/^\/+/, "")}`;
  return parseCurlUrl(text, isPathAsIs);
}

/** @throws KhachapuriError `usage` for a redirect that no program in the sandbox can answer */
function assertHere(to: CurlUrl, from: CurlUrl): void {
  if (originOf(to) === originOf(from)) return;
  throw new KhachapuriError(
    "usage",
    `-L: the redirect leads to ${originOf(to)}, out of the program`,
  );
}

/** A provider takes a request's host from its field, as -H may say it. */
function callProgram(
  stage: Stage,
  { url, method, fields, body }: WireRequest,
  onStderr: (bytes: Uint8Array) => void,
  signal: AbortSignal | null,
): Promise<Rehearsal> {
  const host = fields.find(([name]) => name === "Host")?.[1] ?? url.host;
  const base = `${url.scheme}://${host}`;
  if (!URL.canParse(base)) throw new KhachapuriError("usage", `${host} is no host`);
  return stage.call({
    method,
    base: new URL(base),
    path: url.path,
    query: url.query,
    headers: fields.filter(([name]) => name !== "Host"),
    body: body && new Uint8Array(body),
    onStderr,
    ...(signal ? { signal } : {}),
  });
}

/** What a caller would get of a program's answer. */
async function answerOf(rehearsal: Rehearsal, { method }: WireRequest): Promise<CurlAnswer> {
  const { response } = rehearsal;
  const { status, headers } = response;
  const isBodyless = method === "HEAD" || [204, 205, 304].includes(status);
  if (isBodyless) await response.cancel();
  const body = isBodyless ? new Blob().stream() : await begun(rehearsal);
  const timing = { lookup: 0, connected: 0, secured: 0, sent: 0, answered: 0, connection: null };
  const reason = STATUS_CODES[status] ?? "";
  return { version: "1.1", status, reason, fields: headers, body, timing };
}

/**
 * The body, once its first bytes are there.
 * @throws KhachapuriError `program_failed` for a program that failed without printing anything
 */
async function begun(
  { response: { read, cancel, hasHead }, record, diagnosis }: Rehearsal,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  let next = read() as Promise<Uint8Array<ArrayBuffer> | null>;
  if (await next === null && !hasHead) assertAnswered(await record, await diagnosis());
  return new ReadableStream({
    async pull(controller) {
      const chunk = await next;
      if (chunk === null) return controller.close();
      controller.enqueue(chunk);
      next = read() as typeof next;
    },
    cancel,
  }, { highWaterMark: 0 });
}

function assertAnswered(record: RunRecord, found: Diagnosis | null): void {
  if (record.exit === 0 && record.limit === null) return;
  const how = record.signal ? `was ended by ${record.signal}` : `exited with ${record.exit}`;
  const why = found === null ? "" : `: ${found.full}`;
  throw new KhachapuriError("program_failed", `the program ${how} and printed nothing${why}`, {
    hints: found === null ? [] : [found.hint],
  });
}
