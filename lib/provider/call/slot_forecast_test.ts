import assert from "node:assert/strict";
import { Line, newTurn, Parties, payerOf } from "./parties.ts";
import { RunPace } from "./run_pace.ts";
import { type Around, forecastOf } from "./slot_forecast.ts";
import { Contest } from "./slot_share.ts";

const RUN_MS = 1_000;

/** That of runs of a second, of which so many begin at 0. */
function paced(pace: RunPace, running: number): RunPace {
  pace.began(-RUN_MS);
  pace.ended(-RUN_MS, 0);
  for (let run = 0; run < running; run++) pace.began(0);
  return pace;
}

/** A deployment of two runs at a time, which go on, and ten calls of its owner's that wait. */
function crowded() {
  const parties = new Parties(new Contest());
  const gate = parties.gateOf({ owner: "owner", deployment: "deployment", concurrency: 2 });
  const { owner } = gate;
  const crowd = payerOf(owner, null);
  const line = new Line(crowd, gate);
  for (let call = 0; call < 10; call++) line.turns.add(newTurn(gate, crowd, call));
  crowd.lines.set(gate, line);
  gate.lines.add(line);
  for (const each of [gate, owner, crowd]) each.waiting = 10;
  owner.payersWaiting = 1;
  paced(gate.pace, 2);
  paced(owner.pace, 2);
  owner.share.take();
  owner.share.take();
  const around: Around = {
    slots: 8,
    busy: 8,
    active: 2,
    ready: 2,
    pace: paced(new RunPace(), 8),
    hasSlot: false,
  };
  return { gate, crowd, around };
}

Deno.test("a payer's next call is behind one call of each other that waits, and behind its own", () => {
  const { gate, crowd, around } = crowded();
  const newcomer = forecastOf({ gate, payer: undefined }, { ...around, hasSlot: true }, 0);
  // One call goes before it, and two end at a time.
  assert.deepEqual([newcomer.ownMs, newcomer.isOwnLimit], [RUN_MS, true]);
  const more = forecastOf({ gate, payer: crowd }, { ...around, hasSlot: true }, 0);
  assert.equal(more.ownMs, 11 / 2 * RUN_MS);
  assert.equal(newcomer.stepMs, 2 * more.stepMs);
});

Deno.test("an owner waits for any run's end up to its part of the slots, and then for its own", () => {
  const { gate, crowd, around } = crowded();
  gate.concurrency = 100;
  const few = forecastOf({ gate, payer: undefined }, around, 0);
  // It has two of its four: of eight that go on at a time, a third is an end for it.
  assert.equal(few.slotMs, (2 * 3 - 1 + 1) / 8 * RUN_MS);
  const many = forecastOf({ gate, payer: crowd }, around, 0);
  assert.equal(many.slotMs, (10 + 1 - 2) / 4 * RUN_MS);
  assert.deepEqual([few.isOwnLimit, few.ownMs], [false, 0]);
});

Deno.test("with more owners than slots each has one in turn", () => {
  const { gate, around } = crowded();
  gate.concurrency = 100;
  gate.owner.share.giveBack(0, 0);
  gate.owner.share.giveBack(0, 0);
  gate.owner.waiting = gate.owner.payersWaiting = 0;
  const { slotMs } = forecastOf({ gate, payer: undefined }, {
    ...around,
    active: 20,
    ready: 12,
  }, 0);
  assert.equal(slotMs, 13 / 8 * RUN_MS);
});
