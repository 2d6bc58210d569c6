import assert from "node:assert/strict";
import {
  NETWORK_DRY_RUNS_BURST_MAX,
  NETWORK_PUSHES_BURST_MAX,
  OWNER_DRY_RUNS_BURST_MAX,
  OWNER_PUSHES_BURST_MAX,
} from "../../limits_of_content.ts";
import { dryRunLimits, pushLimits } from "./content_limits.ts";

const OWNER = `0x${"11".repeat(20)}` as const;
const KINDS = [
  [pushLimits, OWNER_PUSHES_BURST_MAX, NETWORK_PUSHES_BURST_MAX, /--kubo/],
  [dryRunLimits, OWNER_DRY_RUNS_BURST_MAX, NETWORK_DRY_RUNS_BURST_MAX, /--no-dry-run/],
] as const;

for (const [make, ofOwner, ofNetwork, hint] of KINDS) {
  Deno.test(`what is taken of one owner and of one network: ${make.name}`, () => {
    const limits = make(() => 0);
    const refused = (error: { code: string; hints: string[] }) => {
      assert.equal(error.code, "rate_limited");
      assert.match(error.hints.join(), hint);
      return true;
    };
    for (let nth = 0; nth < ofOwner; nth++) limits.admitOwner(OWNER);
    assert.throws(() => limits.admitOwner(OWNER), refused);
    for (let nth = 0; nth < ofNetwork; nth++) limits.admitNetwork("203.0.113.7");
    assert.throws(() => limits.admitNetwork("203.0.113.9"), refused);
  });
}
