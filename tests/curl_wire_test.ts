/**
 * What our client puts on the wire against what the real curl does, for command lines made at
 * random. KHACHAPURI_CURL_LINES says how many (by default what fits a test run).
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { parseCurlFlags } from "../lib/client/curl_flags.ts";
import { wireRequest } from "../lib/client/curl_request.ts";
import { sendRequest } from "../lib/client/curl_send.ts";
import { transfer } from "../lib/client/curl_transfer.ts";
import { parseCurlUrl } from "../lib/client/curl_url.ts";
import { writeOut } from "../lib/client/curl_write_out.ts";
import { KhachapuriError } from "../lib/errors.ts";
import { commandLine, FILES } from "../worlds/curl_lines.ts";
import { makeFolder } from "../worlds/home.ts";
import { type RecordedRequest, startRecorder } from "../worlds/http_recorder.ts";

const LINES = Number(Deno.env.get("KHACHAPURI_CURL_LINES") ?? 600);
/** For a line that we send as well: it ends by itself, so only a hung curl meets this. */
const CURL_MS = 60_000;
/** For a line that we refuse: curl may promise a body that never comes, and wait for an answer. */
const REFUSED_CURL_MS = 1_000;
const STDIN = new TextEncoder().encode("from\r\nstdin=&");

/** Where we say no and curl sends something: it would be something else than was meant. */
const REFUSED = [
  /exclude each other/,
  /^-H takes 'name: value'/,
  /^-H '(?:Content-Length|Transfer-Encoding|Upgrade|Trailer|Expect)[:]/i,
  /^Content-Length and Transfer-Encoding/,
  /several files in one -F/,
  /^-F: /,
  /^one -T FILE/,
  /no content type/,
  /with a form in a form/,
  /^-F sends multipart/,
  /as a list of (?:URLs|files)/,
  // Before 8 curl sends nothing in its place.
  /is not there$/,
];

Deno.test(`${LINES} command lines send what curl sends`, async () => {
  await using folder = await makeFolder();
  for (const [name, bytes] of Object.entries(FILES)) {
    await Deno.writeFile(join(folder.dir, name), bytes);
  }
  await using recorder = startRecorder();
  const tally = { sent: 0, refused: 0, refusedByUs: 0 };
  await fc.assert(
    fc.asyncProperty(commandLine(), async (line) => {
      const argv = line.map((text) => text.replaceAll("ORIGIN", recorder.origin));
      const ours = await oursSends(argv, folder.dir, recorder);
      const patienceMs = ours.refusal ? REFUSED_CURL_MS : CURL_MS;
      const curls = await curlSends(argv, folder.dir, recorder, patienceMs);
      if (!ours.refusal) {
        tally.sent++;
        assert.deepEqual(ours.request, curls.request, JSON.stringify(argv));
      } else if (curls.request === null) tally.refused++;
      else {
        tally.refusedByUs++;
        const known = REFUSED.some((pattern) => pattern.test(ours.refusal!));
        assert(known, `${JSON.stringify(argv)}: ${ours.refusal}`);
      }
    }),
    { numRuns: LINES },
  );
  const all = tally.sent + tally.refused + tally.refusedByUs;
  assert(tally.sent > all / 3, `enough lines are sent: ${JSON.stringify(tally)}`);
});

/** What of -w does not depend on the moment, or on who sends. */
const STEADY = [
  "http_code",
  "response_code",
  "http_version",
  "method",
  "content_type",
  "scheme",
  "num_headers",
  "num_redirects",
  "num_connects",
  "size_download",
  "size_upload",
  "size_header",
  "url_effective",
  "redirect_url",
  "remote_ip",
  "remote_port",
  "local_ip",
  "exitcode",
  "errormsg",
  "filename_effective",
  "http_connect",
  "ssl_verify_result",
  "urlnum",
  "nonsense",
];

Deno.test("-w prints what curl prints", async () => {
  await using recorder = startRecorder();
  const format =
    `${STEADY.map((name) => `${name}=%{${name}}`).join("\\n")}%% %header{content-length}` +
    " %{header_json} \\t|%{stderr}no%{stdout}%{onerror}never";
  for (const flags of [[], ["-d", "abc"], ["-I"], ["-X", "DELETE", "-H", "A: b"]]) {
    const argv = [...flags, "-w", format, `${recorder.origin}/x/../y?q`];
    const inputs = { file: () => Promise.reject(), stdin: () => Promise.resolve(STDIN) };
    const command = await parseCurlFlags(argv, inputs);
    const url = parseCurlUrl(command.target);
    const done = await transfer(
      command,
      url,
      (request, signal) => sendRequest(request, { ...command.transfer, ca: null, signal }),
      {
        onAnswer: () => {},
        onRetry: () => {},
      },
    );
    const body = await new Response(done.answer.body).arrayBuffer();
    const ours = writeOut(command.print.writeOut!, {
      ...done,
      url: argv.at(-1)!,
      bodyBytes: body.byteLength,
      endedAt: performance.now(),
      output: null,
      exitCode: 0,
      errorMessage: null,
    });
    const child = new Deno.Command("curl", {
      args: ["-q", "-s", "-A", "khachapuri", ...argv],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(STDIN).then(() => writer.close()).catch(() => {});
    const { stdout, stderr } = await child.output();
    const shown = new TextDecoder().decode(stdout);
    assert.equal(ours.stdout, shown.slice(shown.indexOf("http_code=")), flags.join(" "));
    assert.equal(ours.stderr, new TextDecoder().decode(stderr).replace(/^curl:/, "khachapuri:"));
  }
});

interface Outcome {
  request: Comparable | null;
  refusal: string | null;
}

async function oursSends(
  argv: string[],
  dir: string,
  recorder: ReturnType<typeof startRecorder>,
): Promise<Outcome> {
  const inputs = {
    file: (path: string) =>
      Deno.readFile(join(dir, path)).catch(() => {
        throw new KhachapuriError("usage", `${path} is not there`);
      }),
    stdin: () => Promise.resolve(STDIN),
  };
  try {
    const { target, request, transfer } = await parseCurlFlags(argv, inputs);
    const wire = wireRequest(request, parseCurlUrl(target, request.isPathAsIs));
    const answer = await sendRequest(wire, { ...transfer, ca: null, signal: null });
    await new Response(answer.body).arrayBuffer();
    return { request: comparable(recorder.take()!), refusal: null };
  } catch (error) {
    assert(error instanceof KhachapuriError && error.code === "usage", String(error));
    return { request: null, refusal: error.message };
  }
}

async function curlSends(
  argv: string[],
  dir: string,
  recorder: ReturnType<typeof startRecorder>,
  patienceMs: number,
): Promise<Outcome> {
  const child = new Deno.Command("curl", {
    args: ["-q", "-s", "-A", "khachapuri", "-o", "/dev/null", ...argv],
    cwd: dir,
    signal: AbortSignal.timeout(patienceMs),
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(STDIN).then(() => writer.close()).catch(() => {});
  const { stderr } = await child.output();
  const request = recorder.take();
  if (request) return { request: comparable(request), refusal: null };
  return { request: null, refusal: new TextDecoder().decode(stderr) };
}

interface Comparable {
  start: string;
  fields: string[];
  body: string;
}

/** Without what differs from one curl to the next, and boundaries, which are random. */
function comparable({ start, fields, body }: RecordedRequest): Comparable {
  const [, boundary] = /boundary=(-{24}[0-9A-Za-z]+)$/m.exec(fields.join("\n")) ?? [];
  const steady = (text: string) => boundary ? text.replaceAll(boundary, "BOUNDARY") : text;
  const lines = fields
    // Before 8.? curl asks before any -T; from then on before a large body, as we do.
    .filter((field) => !/^(?:expect: ?100-continue|host:\s*)$/i.test(field))
    .map((field) => steady(field.replace(/^([^:]*):[ \t]*([^]*?)[ \t]*$/, "$1: $2")))
    .map((field) => field.replace(/^content-length: .*/i, boundary ? "Content-Length: n" : "$&"));
  return {
    // Before 8 curl writes the hex digits of some escapes in lower case.
    start: start.replace(/%[0-9A-F]{2}/gi, (escape) => escape.toUpperCase()),
    // node:http writes a method that is not in capitals beside fields that it has put in order.
    fields: /^[A-Z!]+ /.test(start) ? lines : lines.map((field) => field.toLowerCase()).sort(),
    body: steady(body),
  };
}
