import assert from "node:assert/strict";
import { Gathering, type Queued } from "./gathering.ts";

/** At a time that a test says. */
function gatheringAt() {
  const clock = { ms: 100 };
  const gathering = new Gathering(() => clock.ms);
  return { clock, gathering };
}

const queued = (changes: Partial<Queued> = {}): Queued => {
  return { ended: 1, isWanted: false, running: 4, ...changes };
};

Deno.test("what has ended waits for what runs, and no longer than a turn took", () => {
  const { clock, gathering } = gatheringAt();
  assert.equal(gathering.waitMs(queued()), 0, "of no turn it is known how long it takes");
  gathering.took(2, 1);
  gathering.goes();
  assert.equal(gathering.waitMs(queued()), 2);
  clock.ms += 1.5;
  assert.equal(gathering.waitMs(queued({ ended: 2 })), 0.5);
  clock.ms += 1;
  assert.equal(gathering.waitMs(queued({ ended: 3 })), 0);
  gathering.goes();
  assert.equal(gathering.waitMs(queued()), 2, "the next waits from its own beginning");
});

Deno.test("nothing waits where as many have ended as run, or a call wants a credit", () => {
  const { gathering } = gatheringAt();
  gathering.took(2, 1);
  assert.equal(gathering.waitMs(queued({ running: 0 })), 0, "who calls alone");
  assert.equal(gathering.waitMs(queued({ ended: 4 })), 0);
  assert.equal(gathering.waitMs(queued({ isWanted: true })), 0);
  assert.equal(gathering.waitMs(queued()), 2, "a control");
});

Deno.test("what has ended waits for those who were answered, until they stay away twice", () => {
  const { gathering } = gatheringAt();
  gathering.took(2, 8);
  const alone = queued({ running: 0 });
  assert.equal(gathering.waitMs({ ...alone, ended: 7 }), 2);
  assert.equal(gathering.waitMs({ ...alone, ended: 8 }), 0, "all of them are back");
  gathering.took(2, 1);
  assert.equal(gathering.waitMs(alone), 2, "they may have been in the turn before");
  gathering.took(2, 1);
  assert.equal(gathering.waitMs(alone), 0);
});

Deno.test("a turn that took long has nobody wait as long", () => {
  const { gathering } = gatheringAt();
  gathering.took(5_000, 1);
  assert.equal(gathering.waitMs(queued()), 3);
});
