import assert from "node:assert/strict";
import * as v from "valibot";
import { keepsNothing, keepText, keepTimeShape, keepTimeToJson, keptUntil } from "./keep.ts";

Deno.test("how long a change is kept is read, counted, and told", () => {
  const cases = [
    ["forever", 2n ** 64n - 1n, "for ever", "forever"],
    [7_776_000, 7_776_100n, "for 90 days", 7_776_000],
    [86_400, 86_500n, "for 1 day", 86_400],
    [90, 190n, "for 90 s", 90],
    [0, 100n, "for 0 days", 0],
    [
      "2030-01-01T01:00:00+01:00",
      1_893_456_000n,
      "until 2030-01-01T00:00:00Z",
      "2030-01-01T00:00:00Z",
    ],
  ] as const;
  for (const [written, until, text, json] of cases) {
    const keep = v.parse(keepTimeShape, written);
    assert.equal(keptUntil(keep, 100n), until);
    assert.equal(keepText(keep), text);
    assert.equal(keepTimeToJson(keep), json);
    assert.equal(keepsNothing(keep), written === 0);
  }
});

Deno.test("anything else is no such time", () => {
  for (const wrong of ["never", -1, 1.5, 1e12, "90d", null, "2030-13-01T00:00:00Z"]) {
    const { success, issues } = v.safeParse(keepTimeShape, wrong);
    assert.equal(success, false, String(wrong));
    assert.match(issues![0].message, /neither "forever", nor whole seconds/);
  }
});
