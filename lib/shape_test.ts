import assert from "node:assert/strict";
import * as v from "valibot";
import { parseJson, parseShape, uintShape, usdcUnitsShape } from "./shape.ts";

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

Deno.test("what is of another type is said in plain words", () => {
  const cases: [v.GenericSchema, unknown, string][] = [
    [v.array(v.string()), "a", "not a list"],
    [v.string(), 1, "not a text"],
    [v.strictObject({}), "a", "not an object"],
    [v.number(), "1", "not a number"],
    [v.boolean(), "yes", "not true or false"],
    [uintShape(8), 1, 'not a whole number as a text, e.g. "10000"'],
    [usdcUnitsShape, 20_000, 'not USDC base units as a text, e.g. "10000"'],
    [usdcUnitsShape, "0.1", "not a decimal integer"],
  ];
  for (const [shape, value, why] of cases) {
    const message = `x: a: ${why}`;
    assert.throws(() => parseShape(v.object({ a: shape }), { a: value }, "x", "usage"), {
      message,
    });
  }
});
