import assert from "node:assert/strict";
import { Fields } from "./fields.ts";

const FIELDS = new Fields([
  ["host", "a"],
  ["accept", "text/html"],
  ["cookie", "a=1"],
  ["accept", "text/plain"],
  ["cookie", "b=2"],
  ["x-empty", ""],
]);

Deno.test("a field is found whatever the case of its name, one that is empty too", () => {
  assert.equal(FIELDS.get("Host"), "a");
  assert.equal(FIELDS.get("x-empty"), "");
  assert.equal(FIELDS.get("x-other"), null);
  assert.deepEqual([FIELDS.has("X-Empty"), FIELDS.has("x-other")], [true, false]);
});

Deno.test("repeated fields are one list, cookies one of their own kind", () => {
  assert.equal(FIELDS.get("accept"), "text/html, text/plain");
  assert.equal(FIELDS.get("cookie"), "a=1; b=2");
  assert.deepEqual(FIELDS.all("accept"), ["text/html", "text/plain"]);
});
