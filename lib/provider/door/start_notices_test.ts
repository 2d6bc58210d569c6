import assert from "node:assert/strict";
import { hearLog } from "../../../worlds/heard_log.ts";
import { warnOfCollector, warnOfEndpoints, warnOfLimits, warnOfSharing } from "./start_notices.ts";

Deno.test("an operator is warned of what is missing, rests or is about to change", () => {
  const { log, lines } = hearLog();
  const probe = { missing: ["memory" as const], hints: ["do this"], swept: 2 };
  warnOfLimits({ sandbox: { probe } }, log);
  warnOfSharing({ sandbox: { sharing: ["do that"] } }, log);
  const resting = { origin: "http://a.test", state: "resting" as const, trouble: "refused" };
  warnOfEndpoints({ connected: { chain: { endpoints: () => [resting as never] } } }, log);
  const pending = { collector: "0x02", from: 1n };
  warnOfCollector({ collector: { current: "0x01", pending } as never }, log);
  const said = lines.map((line) => JSON.parse(line).message);
  assert.deepEqual(said, [
    "limits that the kernel does not enforce",
    "swept what an earlier provider left",
    "programs share the provider's uid",
    "an RPC endpoint does not answer",
    "another collector is pending",
  ]);
});

Deno.test("nothing is said when all is well", () => {
  const { log, lines } = hearLog();
  warnOfLimits({ sandbox: { probe: { missing: [], hints: [], swept: 0 } } }, log);
  warnOfSharing({ sandbox: { sharing: [] } }, log);
  warnOfEndpoints({ connected: { chain: { endpoints: () => [] } } }, log);
  assert.deepEqual(lines, []);
});
