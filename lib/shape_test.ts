import assert from "node:assert/strict";
import * as v from "valibot";
import { parseJson, parseShape } from "./shape.ts";

Deno.test("what is no JSON is told by its place, and never quoted", () => {
  const cases: [string, string][] = [
    ["", "not valid JSON: it is empty"],
    [" \n", "not valid JSON: it is empty"],
    ["<!doctype html>", "not valid JSON: it looks like a web page"],
    ['{\n  "secret": 1,\n}', "not valid JSON: see line 3, column 1"],
    ["\u0000secret", "not valid JSON"],
  ];
  for (const [text, why] of cases) {
    assert.throws(() => parseJson(text, "x.json", "invalid_config"), (error: Error) => {
      assert.equal(error.message, `x.json: ${why}`);
      return true;
    });
  }
});

Deno.test("a list is no object, though all fields are optional", () => {
  const shape = v.object({ a: v.optional(v.string()) });
  assert.deepEqual(parseShape(shape, {}, "x", "invalid_config"), {});
  assert.throws(() => parseShape(shape, [], "x", "invalid_config"), /x: it is a list/);
  assert.deepEqual(parseShape(v.array(v.number()), [1], "x", "invalid_config"), [1]);
});
