import assert from "node:assert/strict";
import { joinData, urlencodedData } from "./curl_data.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("joinData() puts & before the pieces of a form, empty ones too, and nothing before JSON", () => {
  const join = (...pieces: [string, "&" | ""][]) =>
    new TextDecoder().decode(
      joinData(pieces.map(([text, glue]) => ({ bytes: bytes(text), glue }))),
    );
  assert.equal(join(), "");
  assert.equal(join(["a=1", "&"], ["b=2", "&"], ["c", "&"]), "a=1&b=2&c");
  assert.equal(join(["", "&"], ["", "&"]), "&");
  assert.equal(join(["{", ""], ["}", ""], ["a", "&"]), "{}&a");
});

Deno.test("joinData() keeps bytes that are no text", () => {
  const pieces = [Uint8Array.of(0, 255), Uint8Array.of(10)];
  assert.deepEqual([...joinData(pieces.map((piece) => ({ bytes: piece, glue: "&" })))], [
    0,
    255,
    38,
    10,
  ]);
});

// The five forms of curl(1), --data-urlencode.
Deno.test("urlencodedData() encodes content and files, and leaves names alone", async () => {
  const asked: string[] = [];
  const read = (from: string) => {
    asked.push(from);
    return Promise.resolve(bytes(from === "@empty" ? "" : "x&y\n"));
  };
  const cases = [
    ["a b&c", "a+b%26c"],
    ["=a=b", "a%3Db"],
    ["n[]=a b", "n[]=a+b"],
    ["@file", "x%26y%0A"],
    ["n@-", "n=x%26y%0A"],
    ["n@empty", ""],
    ["n=", "n="],
    ["=é+/\n\0", "%C3%A9%2B%2F%0A%00"],
  ] as const;
  for (const [value, expected] of cases) {
    assert.equal(await urlencodedData(value, read), expected, value);
  }
  assert.deepEqual(asked, ["@file", "@-", "@empty"]);
});
