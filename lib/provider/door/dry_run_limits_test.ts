import assert from "node:assert/strict";
import type { Address } from "viem";
import {
  NETWORK_DRY_RUNS_BURST_MAX,
  NETWORK_DRY_RUNS_PER_SECOND_MAX,
  OWNER_DRY_RUNS_BURST_MAX,
  OWNER_DRY_RUNS_PER_SECOND_MAX,
} from "../../limits_of_content.ts";
import { DryRunLimits } from "./dry_run_limits.ts";

const ownerOf = (index: number): Address => `0x${index.toString(16).padStart(40, "0")}`;

Deno.test("an owner has a share of its own, and so has its network", () => {
  let now = 0;
  const limits = new DryRunLimits(() => now);
  for (let run = 0; run < OWNER_DRY_RUNS_BURST_MAX; run++) limits.admit(ownerOf(1), "203.0.113.7");
  const refused = { code: "rate_limited", hints: ["deploy --no-dry-run goes without"] };
  assert.throws(() => limits.admit(ownerOf(1), "198.51.100.7"), refused);
  limits.admit(ownerOf(2), "203.0.113.8");
  now += 1_000 / OWNER_DRY_RUNS_PER_SECOND_MAX;
  limits.admit(ownerOf(1), "203.0.113.7");

  const others = new DryRunLimits(() => now);
  for (let run = 0; run < NETWORK_DRY_RUNS_BURST_MAX; run++) {
    others.admit(ownerOf(run), "203.0.113.7");
  }
  assert.throws(() => others.admit(ownerOf(999), "203.0.113.200"), { code: "rate_limited" });
  others.admit(ownerOf(999), "198.51.100.7");
  now += 1_000 / NETWORK_DRY_RUNS_PER_SECOND_MAX;
  others.admit(ownerOf(999), "203.0.113.200");
});
