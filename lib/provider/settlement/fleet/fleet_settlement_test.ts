import assert from "node:assert/strict";
import { hearLog } from "../../../../worlds/heard_log.ts";
import type { LeaderFacts } from "../../fleet/leadership.ts";
import { FleetSettlement } from "./fleet_settlement.ts";
import { type SettlingFacts, toLeaderFacts } from "./leader_facts.ts";
import type { Tenure } from "./tenure.ts";

const FACTS: SettlingFacts = {
  ...{ windowSeconds: 150n, mostSeconds: 120, rowSeconds: 30, rowWorth: 9n, operator: null },
  ...{ unsettled: 12n, dueLanes: 3, behindSeconds: 4, pending: 2, head: 77n, chainAgeMs: 900 },
};
const LIMITS = { expiry: 9n, dailyCap: 1_000n, spent: 5n, day: 20_000n };
const TERM = { session: 1, term: 1 };

function openSettlement() {
  const told: string[] = [];
  const clock = { ms: 0 };
  /** What opening waits for, and fails with. */
  const opening = { goesOn: Promise.resolve(), error: null as Error | null };
  const settlement = new FleetSettlement({
    async open({ term }) {
      told.push(`opens ${term}`);
      await opening.goesOn;
      if (opening.error) throw opening.error;
      return tenureOf(told, term);
    },
    watch: { limits: () => LIMITS },
    sender: { settleNow: () => Promise.resolve(void told.push("has it settled")) },
    windowSeconds: 120,
    log: hearLog().log,
    elapsed: () => clock.ms,
  });
  const hear = (facts: LeaderFacts, session: number | null = 2) =>
    settlement.heard({ session, facts });
  return { settlement, told, clock, opening, hear };
}

function tenureOf(told: string[], term: number): Tenure {
  return {
    settlement: {
      pace: () => ({ ...FACTS, rowWorth: 1n }),
      noticeCharge: () => void told.push(`notices ${term}`),
      settleNow: () => Promise.resolve(void told.push(`settles ${term}`)),
    },
    limits: () => LIMITS,
    facts: () => FACTS,
    alarms: () => [`of ${term}`],
    close: () => Promise.resolve(void told.push(`closes ${term}`)),
  } as unknown as Tenure;
}

Deno.test("while this node leads it settles here, and tells the others how", async () => {
  const { settlement, told, hear } = openSettlement();
  assert.equal(settlement.facts(), null);
  settlement.gained(TERM);
  await settlement.changed();
  assert.deepEqual(settlement.facts(), toLeaderFacts(FACTS));
  settlement.noticeCharge();
  hear({}, 1);
  await settlement.settleNow();
  assert.deepEqual([settlement.rowWorth(), settlement.behindSeconds()], [1n, 4]);
  assert.deepEqual(settlement.operatorLimits(), LIMITS);
  assert.deepEqual(settlement.alarms(), ["of 1"]);
  settlement.lost();
  assert.equal(settlement.tenure, null, "at once");
  await settlement.changed();
  assert.deepEqual(told, ["opens 1", "notices 1", "notices 1", "settles 1", "closes 1"]);
});

Deno.test("what is opened while the term ends is closed, and a later term waits for it", async () => {
  const { settlement, told, opening } = openSettlement();
  const { promise, resolve } = Promise.withResolvers<void>();
  opening.goesOn = promise;
  settlement.gained(TERM);
  while (told.length === 0) await Promise.resolve();
  settlement.lost();
  settlement.gained({ ...TERM, term: 2 });
  resolve();
  await settlement.changed();
  assert.ok(settlement.tenure);
  await settlement.close();
  assert.deepEqual(told, ["opens 1", "closes 1", "opens 2", "closes 2"]);
});

Deno.test("a leader that cannot open what it needs tries again while it leads", async () => {
  const { settlement, told, opening } = openSettlement();
  opening.error = new Error("away");
  settlement.gained(TERM);
  while (told.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  opening.error = null;
  await settlement.changed();
  assert.ok(settlement.tenure);
  opening.error = new Error("away");
  settlement.lost();
  settlement.gained({ ...TERM, term: 2 });
  settlement.lost();
  await settlement.close();
  assert.equal(settlement.tenure, null);
});

Deno.test("elsewhere what is promised follows the leader's word, and is careful before it", () => {
  const { settlement, hear } = openSettlement();
  assert.deepEqual([settlement.windowSeconds(), settlement.rowWorth()], [240n, 0n]);
  assert.equal(settlement.backlog(0), null);
  assert.deepEqual(settlement.operatorLimits(), LIMITS);
  hear(toLeaderFacts(FACTS));
  assert.deepEqual([settlement.windowSeconds(), settlement.rowWorth()], [150n, 9n]);
  assert.equal(settlement.operatorLimits(), null);
  assert.deepEqual([settlement.pending(), settlement.behindSeconds()], [2, 4]);
  hear({}, null);
  assert.equal(settlement.rowWorth(), 9n, "a word that says nothing changes nothing");
});

Deno.test("while nobody leads permits must last longer, and in the end nothing is promised", () => {
  const { settlement, clock, hear } = openSettlement();
  hear(toLeaderFacts(FACTS));
  clock.ms = 3_000;
  hear({}, null);
  assert.equal(settlement.windowSeconds(), 150n, "between two beats");
  clock.ms = 13_000;
  hear({}, null);
  assert.equal(settlement.windowSeconds(), 170n);
  assert.deepEqual(settlement.alarms(), []);
  clock.ms = 93_000;
  assert.equal(settlement.backlog(15), null);
  clock.ms = 94_000;
  assert.equal(settlement.backlog(15), 61);
  clock.ms = 124_000;
  assert.match(settlement.alarms()[0]!, /^no node of the fleet has led for 121 s/);
  hear({}, 3);
  assert.equal(settlement.backlog(15), null);
  assert.deepEqual(settlement.alarms(), []);
});

Deno.test("who does not lead has the leader settle", async () => {
  const { settlement, told } = openSettlement();
  await settlement.settleNow();
  settlement.noticeCharge();
  assert.deepEqual(told, ["has it settled"]);
  assert.equal(settlement.figures().balance, null);
});
