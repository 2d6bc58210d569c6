import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { ABSENT_REMEMBERED_MS, OUTAGE_REMEMBERED_MS } from "../../limits.ts";
import { Absences } from "./absences.ts";

Deno.test("that nobody has it is remembered for longer than that our gateways failed", () => {
  let now = 0;
  const absences = new Absences(() => now);
  const absent = new KhachapuriError("not_found", "nobody has it");
  const busy = new KhachapuriError("ipfs_unavailable", "busy", { retryAfterSeconds: 60 });
  absences.note("absent", absent);
  absences.note("busy", busy);
  assert.deepEqual([absences.recall("absent"), absences.recall("busy")], [absent, busy]);
  now = OUTAGE_REMEMBERED_MS;
  assert.deepEqual([absences.recall("absent"), absences.recall("busy")], [absent, null]);
  now = ABSENT_REMEMBERED_MS;
  assert.equal(absences.recall("absent"), null);
});

Deno.test("what says nothing of the content is not remembered", () => {
  const absences = new Absences(() => 0);
  absences.note("full", new KhachapuriError("overloaded", "full", { retryAfterSeconds: 9 }));
  absences.note("broken", new Error("out of memory"));
  assert.deepEqual([absences.recall("full"), absences.recall("broken")], [null, null]);
});
