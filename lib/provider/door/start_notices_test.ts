import assert from "node:assert/strict";
import { hearLog } from "../../../worlds/heard_log.ts";
import type { CidText } from "../../cid.ts";
import {
  warnOfCollector,
  warnOfEndpoints,
  warnOfLeftBehind,
  warnOfLimits,
  warnOfSharing,
} from "./start_notices.ts";

const CIDS = Array.from({ length: 7 }, (_, index) => `bafy${index}` as CidText);
const NOBODY = { cids: [], until: null };
const LEFT = { known: 9, price: 2n, byPrice: [], keepable: [], byTerms: [] };

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

Deno.test("an operator is told whom a change refuses, and whom it will", () => {
  const { log, lines } = hearLog();
  const kept = { cids: CIDS.slice(0, 1), until: 100n };
  const left = { ...LEFT, byPrice: CIDS, kept, byTerms: CIDS.slice(1, 3), keptTerms: kept };
  warnOfLeftBehind(left, log);
  const said = lines.map((line) => JSON.parse(line));
  assert.deepEqual(said.map(({ deployments, firstUntil }) => [deployments, firstUntil]), [
    [7, undefined],
    [1, "1970-01-01T00:01:40Z"],
    [2, undefined],
    [1, "1970-01-01T00:01:40Z"],
  ]);
  assert.deepEqual(said[0].first, CIDS.slice(0, 5));
  assert.match(said[1].message, /served at an earlier price until it is kept no more/);
});

Deno.test("nothing is said when all is well", () => {
  const { log, lines } = hearLog();
  warnOfLimits({ sandbox: { probe: { missing: [], hints: [], swept: 0 } } }, log);
  warnOfSharing({ sandbox: { sharing: [] } }, log);
  warnOfEndpoints({ connected: { chain: { endpoints: () => [] } } }, log);
  warnOfLeftBehind({ ...LEFT, kept: NOBODY, keptTerms: NOBODY }, log);
  assert.deepEqual(lines, []);
});
