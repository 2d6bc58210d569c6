import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { permitOf } from "../../../worlds/ledger.ts";
import { UnpaidPermits } from "./unpaid_permits.ts";

const placeOf = (number: number) => {
  const { payer } = permitOf();
  return { payer, lane: `0x${String(number).padStart(64, "0")}` } as const;
};

/** A database with permits that an earlier release kept. */
function open(lanes: number[] = []) {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE permits (payer TEXT, lane TEXT, at INTEGER)");
  const insert = database.prepare("INSERT INTO permits VALUES (?, ?, ?)");
  for (const [at, lane] of lanes.entries()) {
    insert.run(placeOf(lane).payer, placeOf(lane).lane, -at);
  }
  return { database, unpaid: new UnpaidPermits(database) };
}

const lanesOf = (unpaid: UnpaidPermits) => {
  const lanes: number[] = [];
  for (let oldest; (oldest = unpaid.takeOldest()) !== null;) {
    lanes.push(Number(oldest.lane.slice(2)));
  }
  return lanes;
};

Deno.test("the oldest is taken first, and one that is renewed again is the newest", () => {
  const { database, unpaid } = open();
  for (const lane of [1, 2, 3, 1]) unpaid.add(placeOf(lane));
  assert.equal(unpaid.count, 3);
  const again = new UnpaidPermits(database);
  assert.equal(again.count, 3);
  assert.deepEqual(lanesOf(again), [2, 3, 1]);
  assert.equal(again.count, 0);
});

Deno.test("what an earlier release kept may be any of them, the oldest first", () => {
  const { unpaid } = open([7, 8, 9]);
  assert.equal(unpaid.count, 3);
  assert.deepEqual(lanesOf(unpaid), [9, 8, 7]);
});
