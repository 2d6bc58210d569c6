import assert from "node:assert/strict";
import { joinData, urlencodedData } from "./curl_data.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = (data: Uint8Array) => new TextDecoder().decode(data);

Deno.test("joinData() puts & between the pieces of a form, and nothing between those of JSON", () => {
  const cases: [string[], string, string][] = [
    [[], "", ""],
    [["a=1"], "a=1", "a=1"],
    [["a=1", "b=2", "c"], "a=1&b=2&c", "a=1b=2c"],
  ];
  for (const [pieces, form, json] of cases) {
    assert.equal(textOf(joinData(pieces.map(bytes), true)), form);
    assert.equal(textOf(joinData(pieces.map(bytes), false)), json);
  }
});

Deno.test("joinData() keeps bytes that are no text", () => {
  const joined = joinData([Uint8Array.of(0, 255), Uint8Array.of(10)], true);
  assert.deepEqual([...joined], [0, 255, 0x26, 10]);
});

// The five forms of curl(1), --data-urlencode.
Deno.test("urlencodedData() encodes content and files, and leaves names alone", async () => {
  const asked: string[] = [];
  const read = (from: string) => {
    asked.push(from);
    return Promise.resolve(bytes("x&y\n"));
  };
  const cases = [
    ["a b&c", "a%20b%26c"],
    ["=a=b", "a%3Db"],
    ["n[]=a b", "n[]=a%20b"],
    ["@file", "x%26y%0A"],
    ["n@-", "n=x%26y%0A"],
  ] as const;
  for (const [value, expected] of cases) {
    assert.equal(await urlencodedData(value, read), expected, value);
  }
  assert.deepEqual(asked, ["@file", "@-"]);
});

// RFC 3986, section 2.3.
Deno.test("urlencodedData() encodes every byte but the unreserved characters", async () => {
  const nothing = () => Promise.reject(new Error("reads nothing"));
  assert.equal(await urlencodedData("=AZaz09-._~", nothing), "AZaz09-._~");
  assert.equal(await urlencodedData("=é+/\n\0", nothing), "%C3%A9%2B%2F%0A%00");
});
