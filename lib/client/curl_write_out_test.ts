import assert from "node:assert/strict";
import { parseCurlFlags } from "./curl_flags.ts";
import { wireRequest } from "./curl_request.ts";
import { parseCurlUrl } from "./curl_url.ts";
import { type Finished, writeOut } from "./curl_write_out.ts";

// Compared with the real curl in tests/curl_wire_test.ts.

async function finished(more: Partial<Finished> = {}): Promise<Finished> {
  const inputs = { file: () => Promise.reject(), stdin: () => Promise.reject() };
  const { request } = await parseCurlFlags(["-d", "abc", "/"], inputs);
  return {
    request: wireRequest(request, parseCurlUrl("http://h/x")),
    answer: {
      version: "1.1",
      status: 404,
      reason: "",
      fields: [["Content-Type", "a/b"], ["X-A", "1"], ["x-a", "2"]],
      body: new Blob().stream(),
      timing: { lookup: 1, connected: 2, secured: 0, sent: 3, answered: 4, connection: null },
    },
    redirects: 1,
    redirectUrl: null,
    headBytes: 50,
    requestBytes: 100,
    beganAt: 1_000,
    hopAt: 1_500,
    endedAt: 3_000,
    signal: null,
    url: "http://h/",
    bodyBytes: 7,
    output: null,
    exitCode: 0,
    errorMessage: null,
    ...more,
  };
}

const stdout = async (format: string, more: Partial<Finished> = {}) =>
  writeOut(format, await finished(more)).stdout;

Deno.test("-w prints variables, fields and escapes, and what is none as it is", async () => {
  const cases = [
    ["%{http_code}\\n%{method}\\t%%", "404\nPOST\t%"],
    ["%{size_download} %{size_upload} %{size_request}", "7 3 103"],
    ["%{time_total} %{time_redirect} %{time_appconnect}", "2.000000 0.500000 0.000000"],
    ["%{time_starttransfer}", "0.504000"],
    ["%header{X-A}|%header{none}", "1|"],
    ["%{content_type} %{url} %{url_effective}", "a/b http://h/ http://h/x"],
    ["%{redirect_url}%{errormsg}", ""],
    ["100% %{ %x", "100% %{ %x"],
  ] as const;
  for (const [format, text] of cases) assert.equal(await stdout(format), text, format);
});

Deno.test("%{json} and %{header_json} are JSON", async () => {
  const all = JSON.parse(await stdout("%{json}"));
  assert.deepEqual([all.http_code, all.time_total, all.errormsg], [404, 2, null]);
  assert.deepEqual(JSON.parse(await stdout("%{header_json}")), {
    "content-type": ["a/b"],
    "x-a": ["1", "2"],
  });
});

Deno.test("%{stderr} turns to stderr, %{onerror} prints on for failures only", async () => {
  const { stdout: out, stderr } = writeOut("a%{stderr}b%{stdout}c", await finished());
  assert.deepEqual([out, stderr], ["ac", "b"]);
  assert.equal(await stdout("a%{onerror}b"), "a");
  assert.equal(await stdout("a%{onerror}b%{exitcode}", { exitCode: 8 }), "ab8");
});
