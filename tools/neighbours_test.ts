import assert from "node:assert/strict";
import { join } from "node:path";
import { neighbourComplaints } from "./neighbours.ts";
import { readSources } from "./tidy.ts";

Deno.test("every source of the provider has a test beside it, or a reason", async () => {
  const sources = await readSources(join(import.meta.dirname!, ".."));
  assert.deepEqual(neighbourComplaints(sources), []);
});

Deno.test("neighbourComplaints() catches a missing test and a reason that is not needed", () => {
  const code = { path: "lib/provider/a.ts", text: "export function a(): void {}\n" };
  const types = { ...code, text: "export interface A {}\n" };
  const test = { path: "lib/provider/a_test.ts", text: "" };
  const reasons = { "lib/provider/a.ts": "it is one line" };
  assert.deepEqual(neighbourComplaints([code, test], {}), []);
  assert.deepEqual(neighbourComplaints([code], reasons), []);
  assert.deepEqual(neighbourComplaints([types], {}), []);
  const missing = ["lib/provider/a.ts: no test beside it and no reason"];
  assert.deepEqual(neighbourComplaints([code], {}), missing);
  const idle = ["lib/provider/a.ts: needs no reason"];
  for (const files of [[code, test], [types], []]) {
    assert.deepEqual(neighbourComplaints(files, reasons), idle);
  }
});
