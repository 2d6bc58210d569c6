/**
 * Where a provider's money work ends as customers come: requests to the chain, time until lanes are
 * settled or a start is over, and how long the event loop is kept. `--json` prints the same for
 * machines.
 */
import { measureChain } from "./growth_money_chain.ts";
import { measureCounts } from "./growth_money_counts.ts";
import { measureBatch, measureStalls } from "./growth_money_stalls.ts";
import { printReport } from "./report.ts";

const batch = { rows: await measureBatch(), must: [] };
const parts = [await measureCounts(), await measureChain(), batch, await measureStalls()];
printReport({
  rows: parts.flatMap(({ rows }) => rows),
  must: parts.flatMap(({ must }) => must),
});
