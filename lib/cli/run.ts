/** `run`: one call of a program in the real sandbox, with curl's flags, without chain or IPFS. */
import { formatHead } from "../client/curl_print.ts";
import { type CurlCommand, type CurlInputs, parseCurlFlags } from "../client/curl_flags.ts";
import { KhachapuriError } from "../errors.ts";
import { openStage, type Rehearsal } from "../provider/rehearsal.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { PROGRAM_OPTIONS, programChoices } from "./program_flags.ts";
import { usageError } from "./arguments.ts";

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
    const choices = await programChoices(options);
    const curl = await parseCurlFlags(flags, inputsOf(context));
    const url = targetUrl(curl.target);
    await using stage = await openStage(await hostOf(context), { dir, ...choices });
    const { signal, cancel } = deadline(curl.maxTimeMs);
    try {
      const { method, headers, body } = curl;
      if (curl.isVerbose) noteRequest(context, curl, url);
      const rehearsal = await stage.call({ method, url, headers, body, ...signal });
      await print(context, curl, rehearsal);
    } finally {
      cancel();
    }
  },
});

function inputsOf({ world }: CommandContext): CurlInputs {
  return {
    async file(path) {
      try {
        return await Deno.readFile(path);
      } catch (cause) {
        throw new KhachapuriError("not_found", `${path} can't be read`, { cause });
      }
    },
    stdin: async () => new Uint8Array(await new Response(world.stdin.readable).arrayBuffer()),
  };
}

/** A path is one on a provider of the name "provider.example". */
function targetUrl(target: string): URL {
  const text = /^https?:\/\//i.test(target)
    ? target
    : `http://provider.example/${target.replace(/^\/+/, "")}`;
  if (URL.canParse(text)) return new URL(text);
  throw new KhachapuriError("usage", `not a path or an http(s) URL: ${target}`);
}

async function hostOf(context: CommandContext) {
  const { provider } = await context.config();
  const isRoot = Deno.uid() === 0;
  return {
    launcher: provider?.sandbox.launcher ?? "bwrap",
    runUid: isRoot ? provider?.sandbox.runUid ?? NOBODY : null,
  } as const;
}

function deadline(ms: number | null): { signal: { signal?: AbortSignal }; cancel: () => void } {
  if (ms === null) return { signal: {}, cancel: () => {} };
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  return { signal: { signal: controller.signal }, cancel: () => clearTimeout(timer) };
}

function noteRequest({ out }: CommandContext, { method, headers }: CurlCommand, url: URL): void {
  out.note(`> ${method} ${url.pathname}${url.search} HTTP/1.1`);
  for (const [name, value] of [["Host", url.host], ...headers]) out.note(`> ${name}: ${value}`);
  out.note(">");
}

async function print(
  context: CommandContext,
  curl: CurlCommand,
  { response, record }: Rehearsal,
): Promise<void> {
  const { out } = context;
  const { status, headers, body } = response;
  const isFailure = curl.isFailing && status >= 400;
  const reader = body.getReader();
  const first = await reader.read();
  if (first.done && !response.hasHead) await assertAnswered(context, record);

  const head = formatHead(status, headers);
  if (curl.isVerbose) { for (const line of head.trimEnd().split("\r\n")) out.note(`< ${line}`); }
  const write = await writerTo(context, curl.output);
  if (curl.show !== "body" && !isFailure) await write(bytesOf(head));
  const printsBody = curl.show !== "head" && curl.method !== "HEAD" && !isFailure;
  for (let next = first; !next.done; next = await reader.read()) {
    if (printsBody) await write(next.value);
  }
  out.errorBytes((await record).stderr);
  if (isFailure) throw new KhachapuriError("program_failed", `the answer is HTTP ${status}`);
}

/** A program that failed without printing anything has not answered. */
async function assertAnswered(
  { out }: CommandContext,
  pending: Rehearsal["record"],
): Promise<void> {
  const record = await pending;
  if (record.exit === 0 && record.limit === null) return;
  out.errorBytes(record.stderr);
  const how = record.signal ? `was ended by ${record.signal}` : `exited with ${record.exit}`;
  throw new KhachapuriError("program_failed", `the program ${how} and printed nothing`);
}

async function writerTo(
  { out }: CommandContext,
  path: string | null,
): Promise<(bytes: Uint8Array) => void | Promise<void>> {
  if (path === null) return (bytes) => out.bytes(bytes);
  await Deno.writeFile(path, new Uint8Array());
  return (bytes) => Deno.writeFile(path, bytes, { append: true });
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff);
}
