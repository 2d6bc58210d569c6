import assert from "node:assert/strict";
import { parseAbout } from "../../spec/about.ts";
import { exampleCall, withQuery } from "./example_call.ts";

const shown = (about: object) =>
  exampleCall(parseAbout({ description: "Does it.", ...about }, "about"));

Deno.test("a call has the method, body and type that its owner shows", () => {
  const { method, body, flags } = shown({ input: { type: "json", example: { a: "it's" } } });
  assert.deepEqual([method, body], ["POST", { text: '{"a":"it\'s"}', type: "application/json" }]);
  assert.equal(
    flags.join(" "),
    `-H 'content-type: application/json' --data-raw '{"a":"it'\\''s"}'`,
  );
  const put = shown({ method: "PUT", input: { type: "text", example: "@words" } });
  assert.equal(put.flags.join(" "), "-X PUT -H 'content-type: text/plain' --data-raw @words");
  assert.deepEqual(shown({}).flags, ["-d", "data"]);
});

Deno.test("where parameters are in the URL they go there, and leave a query alone", () => {
  const call = shown({ method: "GET", input: { type: "query", example: { q: "a b", n: 2 } } });
  assert.deepEqual([call.method, call.body, call.flags], ["GET", null, []]);
  assert.equal(withQuery("/cid", call), "/cid?q=a+b&n=2");
  assert.equal(withQuery("/cid?x", call), "/cid?x");
  assert.equal(withQuery("/cid", exampleCall(null)), "/cid");
});

Deno.test("forms are shown by curl's flags, and what would press keys of a terminal is not", () => {
  const form = shown({ input: { type: "form-data", example: { name: "Nino K" } } });
  assert.deepEqual([form.body, form.flags], [null, ["--form-string", "'name=Nino K'"]]);
  const keys = shown({ input: { type: "text", example: "\u0003\nreboot\n" } });
  assert.deepEqual([keys.body, keys.flags], [null, ["-d", "data"]]);
  assert.equal(shown({ input: { type: "text", example: "a\nb" } }).body?.text, "a\nb");
});
