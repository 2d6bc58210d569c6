import assert from "node:assert/strict";
import { RUN_UIDS_MAX } from "../lib/limits.ts";
import { takeRunUid } from "./uid.ts";

Deno.test("two open sandboxes never share a uid, and a closed one's is used again", () => {
  const first = 1_900_000_000;
  const all = Array.from({ length: RUN_UIDS_MAX }, () => takeRunUid(first));
  assert.equal(new Set(all.map(({ number }) => number)).size, RUN_UIDS_MAX);
  assert.throws(() => takeRunUid(first), { code: "overloaded" });
  all[5]!.giveBack();
  assert.equal(takeRunUid(first).number, all[5]!.number);
  all.forEach((uid) => uid.giveBack());
});

Deno.test("an unprivileged provider's programs run as itself", () => {
  assert.equal(takeRunUid(null).number, null);
});
