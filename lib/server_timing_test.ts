import assert from "node:assert/strict";
import { formatServerTiming, parseServerTiming } from "./server_timing.ts";

Deno.test("what is written is read again, to a tenth of a millisecond", () => {
  const metrics = [{ name: "queue", ms: 0.04 }, { name: "run", ms: 12, description: "a, b" }];
  const field = formatServerTiming(metrics);
  assert.equal(field, 'queue;dur=0.0, run;dur=12.0;desc="a, b"');
  assert.deepEqual(parseServerTiming(field), [{ name: "queue", ms: 0 }, metrics[1]]);
});

Deno.test("what others write is passed over", () => {
  assert.deepEqual(parseServerTiming("miss, cache;desc=x, db;dur=53"), [{ name: "db", ms: 53 }]);
  assert.deepEqual(parseServerTiming(""), []);
});
