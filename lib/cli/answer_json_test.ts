import assert from "node:assert/strict";
import { join } from "node:path";
import { parseCurlFlags } from "../client/curl_flags.ts";
import { parseCurlUrl } from "../client/curl_url.ts";
import { inFolder } from "../../worlds/home.ts";
import { fakeWorld } from "../../worlds/terminal.ts";
import { transferToJson } from "./answer_json.ts";
import { JSON_ANSWER_BYTES_MAX } from "../limits.ts";
import { createOutput } from "./output.ts";

const NONE = { file: () => Promise.reject(), stdin: () => Promise.reject() };
const TIMING = { lookup: 0, connected: 0, secured: 0, sent: 0, answered: 0, connection: null };

/** What is printed for curl's flags when this is the answer. */
async function printed(flags: readonly string[], body: string | Uint8Array, status = 200) {
  const world = fakeWorld([]);
  const curl = await parseCurlFlags([...flags, "/"], NONE);
  const fields = [["Set-Cookie", "a=1"], ["X-A", "b"], ["set-cookie", "c=2"]] as const;
  const stream = new Blob([body as BlobPart]).stream();
  const answer = { version: "1.1", status, reason: "", fields, body: stream, timing: TIMING };
  const done = transferToJson(
    createOutput(world, true),
    curl,
    parseCurlUrl("http://p.example/", false),
    () => Promise.resolve(answer),
    () => ({ more: 1n }),
  );
  const error = await done.then(() => null, (thrown) => thrown);
  return { json: JSON.parse(world.stdoutText() || "null"), error };
}

Deno.test("an answer is one document: its fields by name, its body as text", async () => {
  const { json, error } = await printed(["-X", "PUT"], "gamarjoba\n");
  assert.equal(error, null);
  assert.deepEqual(json, {
    url: "http://p.example/",
    method: "PUT",
    status: 200,
    headers: { "set-cookie": ["a=1", "c=2"], "x-a": ["b"] },
    body: "gamarjoba\n",
    isBase64: false,
    more: "1",
  });
});

Deno.test("what is no text is base64, and with -o in the file alone", () =>
  inFolder(async (dir) => {
    const bytes = Uint8Array.of(0, 0xff, 10);
    const { json } = await printed([], bytes);
    assert.deepEqual([json.body, json.isBase64], ["AP8K", true]);
    const path = join(dir, "answer");
    const written = (await printed(["-o", path], bytes)).json;
    assert.deepEqual([written.file, written.body], [path, undefined]);
    assert.deepEqual(await Deno.readFile(path), bytes);
  }));

Deno.test("-f makes a failure of the status, and prints no answer", async () => {
  const failed = await printed(["-f"], "no", 404);
  assert.deepEqual([failed.json, failed.error.code], [null, "program_failed"]);
  const shown = await printed(["--fail-with-body"], "no", 404);
  assert.deepEqual([shown.json.body, shown.error.code], ["no", "program_failed"]);
  assert.equal((await printed([], "no", 404)).error, null);
});

Deno.test("flags that print in a way of their own are refused", async () => {
  for (const flags of [["-w", "%{http_code}"], ["-D", "-"]]) {
    assert.equal((await printed(flags, "")).error.code, "usage");
  }
});

Deno.test("an answer that is no document's size goes into a file, as it comes", () =>
  inFolder(async (dir) => {
    const large = new Uint8Array(JSON_ANSWER_BYTES_MAX + 1);
    const refused = await printed([], large);
    assert.deepEqual([refused.json, refused.error.code], [null, "body_too_large"]);
    const path = join(dir, "answer");
    assert.equal((await printed(["-o", path], large)).json.file, path);
    assert.equal((await Deno.stat(path)).size, large.length);
  }));
