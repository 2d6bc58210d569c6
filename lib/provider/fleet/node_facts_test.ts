import assert from "node:assert/strict";
import { fromNodeFacts, type NodeState, toNodeFacts } from "./node_facts.ts";

const STATE: NodeState = {
  ...{ startedAtMs: 1_000, clockMs: 2_000, price: 1_000n, isDraining: false },
  ...{ runs: 3, slots: 16, sandboxes: 5, heldUsdc: 3_000n, aheadCredits: 64, aheadUsdc: 64_000n },
  ...{ block: 2n ** 60n, chainAgeMs: 500, seen: 7, leadsSinceMs: null },
};

Deno.test("what a node tells of itself comes back as it was, by way of JSON", () => {
  const facts = JSON.parse(JSON.stringify(toNodeFacts(STATE)));
  assert.deepEqual(fromNodeFacts(facts), STATE);
});

Deno.test("what a node of another release tells otherwise, or not at all, is not known", () => {
  const told = fromNodeFacts({ runs: "3", price: -1, block: "0x1", isDraining: 1, other: {} });
  assert.deepEqual(new Set(Object.values(told)), new Set([null]));
  assert.equal(Object.keys(told).length, Object.keys(STATE).length);
  assert.equal(fromNodeFacts({ seen: 7 }).seen, 7);
});
