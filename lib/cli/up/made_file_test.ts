import assert from "node:assert/strict";
import { fileState, madeFile } from "./made_file.ts";

Deno.test("a file that up made is told from one that somebody has changed", () => {
  const made = madeFile("[Unit]\n");
  assert.equal(fileState(null, made), "absent");
  assert.equal(fileState(made, made), "same");
  assert.equal(fileState(made, madeFile("[Unit]\nAfter=x\n")), "earlier");
  assert.equal(fileState(made, null), "earlier");
  for (const other of [`${made}# mine\n`, made.replace("[Unit]", "[unit]"), "[Unit]\n", ""]) {
    assert.equal(fileState(other, made), "foreign", other);
  }
});
