import assert from "node:assert/strict";
import { sharingHints } from "./uid_sharing.ts";

const US = 999;
const allowed = { concurrency: 8, memoryMb: 100 };
const probe = { programsRunAs: US, watches: 1_000_000, enforced: ["memory" as const] };

Deno.test("programs with uids of their own use up nothing of the provider's", () => {
  assert.deepEqual(sharingHints({ ...probe, programsRunAs: 1_800_000_000 }, allowed, US), []);
});

Deno.test("where programs can hold all watches of the uid, what to do is said, and is enough", () => {
  const hints = sharingHints(probe, allowed, US);
  assert.match(hints.join("\n"), /max_user_watches, 1000000\).*off the net\b.*\n.*--systemd/);
  const watches = Number(/max_user_watches=(\d+)$/.exec(hints.at(-1)!)?.[1]);
  assert.ok(watches > probe.watches);
  const [keys, ...more] = sharingHints({ ...probe, watches }, allowed, US);
  assert.match(keys!, /key files/);
  assert.deepEqual(more, []);
});

Deno.test("where nothing counts their memory no number of watches is enough", () => {
  const hints = sharingHints({ ...probe, watches: 2 ** 40, enforced: [] }, allowed, US);
  assert.match(hints.join("\n"), /off the net/);
  assert.doesNotMatch(hints.join("\n"), /sysctl/);
});
