import assert from "node:assert/strict";
import type { WholeAnswers } from "./answers.ts";
import type { Facts } from "./machine_facts.ts";
import { shapeOf } from "./plan_up.ts";

Deno.test("a stop waits until the last runs have ended that began as the provider drained", () => {
  const runsSeconds = (provider: object | undefined) => {
    const facts = { home: "/srv", config: { provider } } as Facts;
    return shapeOf(facts, { https: "proxy" } as WholeAnswers).runsSeconds;
  };
  assert.equal(runsSeconds(undefined), 30);
  assert.equal(runsSeconds({ drainSeconds: 5 }), 35);
  assert.equal(runsSeconds({ drainSeconds: 5, sandbox: { timeoutMs: 60_000 } }), 125);
});
