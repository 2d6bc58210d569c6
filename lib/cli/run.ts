/** `run`: one call of a program in the real sandbox, with curl's flags, without chain or IPFS. */
import type { RunRecord, SandboxHost } from "../../sandbox/sandbox.ts";
import { type CurlCommand, parseCurlFlags } from "../client/curl_flags.ts";
import { KhachapuriError } from "../errors.ts";
import { openStage, type Rehearsal } from "../provider/program/rehearsal.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { printRunJson } from "./answer_json.ts";
import { PROGRAM_OPTIONS, programChoices } from "./program_flags.ts";
import { optionsOf, unknownFlag, usageError } from "./arguments.ts";
import { curlInputs, printResponse } from "./curl_output.ts";

/** Uid of "nobody": programs never run as root. */
const NOBODY = 65_534;

export const run = defineCommand({
  usage: "[flags] DIR [curl flags] PATH_OR_URL",
  details: [
    "Calls the program in DIR the way a provider would: packed, in the sandbox, with the same " +
    "arguments and environment. Prints what curl would print; the program's stderr goes to " +
    "stderr.",
    "Flags of ours come before DIR, curl's own after it.",
  ],
  examples: [
    "run samples/hello /",
    "run samples/echo -i -X PUT -H 'x-a: 1' --data-binary @photo.jpg '/album?n=1'",
    "run --env-file .env --timeout 5 . -d name=Nino https://provider.example/greet",
  ],
  options: PROGRAM_OPTIONS,
  rawArgs: true,
  async run(context, { options, raw }) {
    const [dir, ...flags] = raw;
    if (dir === undefined) throw usageError("run", "no program folder given");
    if (dir.startsWith("-")) throw unknownFlag("run", optionsOf(run), dir);
    const choices = await programChoices(options);
    const curl = await parseCurlFlags(flags, curlInputs(context.world));
    const url = targetUrl(curl.target);
    await using stage = await openStage(await hostOf(context), { dir, ...choices });
    const signal = curl.maxTimeMs === null ? null : AbortSignal.timeout(curl.maxTimeMs);
    const { method, headers, body } = curl;
    if (curl.isVerbose) noteRequest(context, curl, url);
    try {
      const request = { method, url, headers, body, ...(signal ? { signal } : {}) };
      await print(context, curl, await stage.call(request));
    } catch (error) {
      if (!signal?.aborted) throw error;
      throw new KhachapuriError("program_timeout", `no answer within ${curl.maxTimeMs} ms (-m)`);
    }
  },
});

/** A path is one on a provider of the name "provider.example". */
function targetUrl(target: string): URL {
  const text = /^https?:\/\//i.test(target)
    ? target
    : `http://provider.example/${target.replace(/^\/+/, "")}`;
  if (URL.canParse(text)) return new URL(text);
  throw new KhachapuriError("usage", `not a path or an http(s) URL: ${target}`);
}

async function hostOf(context: CommandContext): Promise<SandboxHost> {
  const { provider } = await context.config();
  const { launcher = "bwrap", launcherPath, runUid = NOBODY } = provider?.sandbox ?? {};
  return {
    launcher,
    ...(launcherPath === undefined ? {} : { launcherPath }),
    runUid: Deno.uid() === 0 ? runUid : null,
  };
}

function noteRequest({ out }: CommandContext, { method, headers }: CurlCommand, url: URL): void {
  out.note(`> ${method} ${url.pathname}${url.search} HTTP/1.1`);
  for (const [name, value] of [["Host", url.host], ...headers]) out.note(`> ${name}: ${value}`);
  out.note(">");
}

async function print(
  { out }: CommandContext,
  curl: CurlCommand,
  { response, record }: Rehearsal,
): Promise<void> {
  const { status, headers } = response;
  const isBodyless = curl.method === "HEAD" || [204, 205, 304].includes(status);
  if (isBodyless) await response.cancel();
  try {
    const body = isBodyless ? null : await begun(response, record);
    const answer = new Response(body, { status, headers });
    const isPrinted = out.isJson
      ? await printRunJson(out, curl, answer, record)
      : await printResponse(out, curl, answer);
    if (isPrinted) return;
  } finally {
    if (!out.isJson) out.errorBytes((await record).stderr);
  }
  throw new KhachapuriError("program_failed", `the answer was ${status}`);
}

/**
 * The body, once its first bytes are there.
 * @throws KhachapuriError `program_failed` for a program that failed without printing anything
 */
async function begun(
  { read, cancel, hasHead }: Rehearsal["response"],
  pending: Rehearsal["record"],
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  let next = read() as Promise<Uint8Array<ArrayBuffer> | null>;
  if (await next === null && !hasHead) assertAnswered(await pending);
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

function assertAnswered(record: RunRecord): void {
  if (record.exit === 0 && record.limit === null) return;
  const how = record.signal ? `was ended by ${record.signal}` : `exited with ${record.exit}`;
  throw new KhachapuriError("program_failed", `the program ${how} and printed nothing`);
}
