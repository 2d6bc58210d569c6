import assert from "node:assert/strict";
import { viewAgeMs } from "./view_age.ts";

const unsettledOf = (unsettled: bigint) => ({
  totals: () => ({ unsettled, held: 0n, preheld: 0n, dueLanes: 0 }),
});

Deno.test("a view holds while events keep it, and while not no longer than may be lost by it", () => {
  const [followed, lost] = [{ isCurrent: () => true }, { isCurrent: () => false }];
  assert.equal(viewAgeMs(followed, unsettledOf(10n), 5n), Infinity);
  assert.equal(viewAgeMs(lost, unsettledOf(4n), 5n), 2_000);
  assert.equal(viewAgeMs(lost, unsettledOf(5n), 5n), 0);
});
