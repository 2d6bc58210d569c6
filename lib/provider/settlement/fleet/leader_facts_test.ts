import assert from "node:assert/strict";
import { fromLeaderFacts, type SettlingFacts, toLeaderFacts } from "./leader_facts.ts";

const FACTS: SettlingFacts = {
  windowSeconds: 150n,
  mostSeconds: 120,
  rowSeconds: 7.5,
  rowWorth: 2n ** 80n,
  operator: { expiry: 9n, dailyCap: 1_000n, spent: 5n, day: 20_000n },
  unsettled: 12n,
  dueLanes: 3,
  behindSeconds: 0.5,
  pending: 1,
  head: 77n,
  chainAgeMs: 900,
};

Deno.test("what a leader tells is read as it was told, through JSON", () => {
  for (const facts of [FACTS, { ...FACTS, operator: null, head: null, chainAgeMs: null }]) {
    assert.deepEqual(fromLeaderFacts(JSON.parse(JSON.stringify(toLeaderFacts(facts)))), facts);
  }
});

Deno.test("what is no leader's word tells nothing", () => {
  for (const facts of [{}, { ...toLeaderFacts(FACTS), rowWorth: -1 }]) {
    assert.equal(fromLeaderFacts(facts), null);
  }
  const later = { ...toLeaderFacts(FACTS), ofAnotherRelease: true };
  assert.deepEqual(fromLeaderFacts(later), FACTS);
});
