import assert from "node:assert/strict";
import type { Address, Hex } from "viem";
import { hearLog } from "../../../worlds/heard_log.ts";
import type { ChainFact, LaneState } from "../ledger/ledger.ts";
import { ChargedElsewhere } from "./charged_elsewhere.ts";

const PAYER: Address = `0x${"aa".repeat(20)}`;
const LANE: Hex = `0x${"01".repeat(32)}`;
const OTHER: Hex = `0x${"02".repeat(32)}`;
const TX: Hex = `0x${"7a".repeat(32)}`;

/** A book in which runs have charged 5 credits on one lane. */
function openWatch() {
  const { log, lines } = hearLog();
  const lane = ({ lane }: { lane: Hex }) =>
    Promise.resolve(lane === LANE ? { charged: 5n } as LaneState : undefined);
  return { watch: new ChargedElsewhere({ lane }, log), lines };
}

const settled = (lane: Hex, settled: bigint): ChainFact => ({
  fact: "settled",
  payer: PAYER,
  lane,
  settled,
  block: 1n,
  transaction: TX,
});

Deno.test("what was charged here and settled by whomever is no alarm", async () => {
  const { watch, lines } = openWatch();
  const level = { ...settled(LANE, 9n), fact: "level" } as ChainFact;
  await watch.look([settled(LANE, 4n), settled(LANE, 5n), level]);
  assert.deepEqual([watch.credits(), watch.alarms(), lines], [0, [], []]);
});

Deno.test("what the escrow took beyond that was promised by another machine, and is told loudly", async () => {
  const { watch, lines } = openWatch();
  await watch.look([settled(LANE, 7n), settled(OTHER, 1n)]);
  assert.equal(watch.credits(), 3);
  assert.equal(watch.alarms().length, 1);
  assert.match(watch.alarms()[0]!, /does another machine serve under its address/);
  const told = lines.map((line) => JSON.parse(line));
  assert.deepEqual(told.map(({ level, lane, credits }) => [level, lane, credits]), [
    ["error", LANE, "2"],
    ["error", OTHER, "1"],
  ]);
});
