import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { lostRun } from "./lost_run.ts";

Deno.test("a lost run is over, has no answer, and says who ended it", async () => {
  for (const limit of ["aborted", undefined] as const) {
    const why = new KhachapuriError("program_failed", "it did not start", { data: { limit } });
    const run = lostRun(why, performance.now() - 50);
    await assert.rejects(run.respond(), why);
    const { exit, limit: by, wallMs } = await run.record;
    assert.deepEqual([exit, by, run.isComplete()], [null, limit ?? null, true]);
    assert(wallMs >= 50);
  }
});
