/** How often owners have content kept here, and deployments tried. */
import {
  NETWORK_DRY_RUNS_BURST_MAX,
  NETWORK_DRY_RUNS_PER_SECOND_MAX,
  NETWORK_PUSHES_BURST_MAX,
  NETWORK_PUSHES_PER_SECOND_MAX,
  OWNER_DRY_RUNS_BURST_MAX,
  OWNER_DRY_RUNS_PER_SECOND_MAX,
  OWNER_PUSHES_BURST_MAX,
  OWNER_PUSHES_PER_SECOND_MAX,
} from "../../limits_of_content.ts";
import { AskLimits } from "./ask_limits.ts";

/** @param now the clock, ms */
export function dryRunLimits(now: () => number): AskLimits {
  return new AskLimits({
    what: "dry runs",
    hints: ["deploy --no-dry-run goes without"],
    network: { burst: NETWORK_DRY_RUNS_BURST_MAX, perSecond: NETWORK_DRY_RUNS_PER_SECOND_MAX },
    owner: { burst: OWNER_DRY_RUNS_BURST_MAX, perSecond: OWNER_DRY_RUNS_PER_SECOND_MAX },
    now,
  });
}

/** @param now the clock, ms */
export function pushLimits(now: () => number): AskLimits {
  return new AskLimits({
    what: "pushes",
    hints: ["try again later", "or publish it elsewhere: deploy --kubo URL, or --out DIR"],
    network: { burst: NETWORK_PUSHES_BURST_MAX, perSecond: NETWORK_PUSHES_PER_SECOND_MAX },
    owner: { burst: OWNER_PUSHES_BURST_MAX, perSecond: OWNER_PUSHES_PER_SECOND_MAX },
    now,
  });
}
