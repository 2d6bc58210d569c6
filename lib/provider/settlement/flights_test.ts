import assert from "node:assert/strict";
import type { Address, Hex } from "viem";
import { Flights } from "./flights.ts";
import type { Row } from "./rows.ts";

const PAYER: Address = `0x${"aa".repeat(20)}`;
const laneOf = (n: number): Hex => `0x${String(n).padStart(64, "0")}`;

function row(lane: Hex, fresh = 2n, price = 5n): Row {
  return { lane: { payer: PAYER, lane }, charge: { price }, fresh } as Row;
}

Deno.test("sums and lanes of the batches that are out are known until they end", () => {
  const flights = new Flights(() => 0);
  const end = flights.start([row(laneOf(1)), row(laneOf(2), 1n)], true);
  flights.start([row(laneOf(3))], true);
  assert.deepEqual([flights.amount(), flights.rows()], [25n, 3]);
  assert.ok(flights.carries({ payer: PAYER, lane: laneOf(1) }, false));
  end();
  assert.deepEqual([flights.amount(), flights.rows()], [10n, 1]);
  assert.ok(!flights.carries({ payer: PAYER, lane: laneOf(1) }, false));
  assert.ok(flights.carries({ payer: PAYER, lane: laneOf(3) }, true));
});

Deno.test("a lane that cannot wait leaves a batch that is stuck", () => {
  let now = 0;
  const flights = new Flights(() => now);
  const first = flights.start([row(laneOf(1))], true);
  now = 120_000;
  assert.ok(flights.carries({ payer: PAYER, lane: laneOf(1) }, true));
  assert.ok(!flights.carries({ payer: PAYER, lane: laneOf(1) }, false));
  flights.start([row(laneOf(1))], false);
  now = 400_000;
  assert.ok(flights.carries({ payer: PAYER, lane: laneOf(1) }, false), "once is enough");
  first();
  assert.ok(flights.carries({ payer: PAYER, lane: laneOf(1) }, false), "the second has it still");
});

Deno.test("eight batches are out at most, and sixteen of what cannot wait", async () => {
  const flights = new Flights(() => 0);
  const ends = Array.from({ length: 8 }, (_, n) => flights.start([row(laneOf(n))], true));
  let patient = 0;
  const waiting = [flights.room(true).then(() => patient += 1), flights.room(true)];
  await flights.room(false);
  assert.equal(patient, 0);
  ends[0]!();
  await Promise.all(waiting);
  assert.equal(patient, 1);
  while (flights.rows() < 16) flights.start([row(laneOf(flights.rows() + 100))], true);
  let urgent = 0;
  const last = flights.room(false).then(() => urgent += 1);
  await Promise.resolve();
  assert.equal(urgent, 0);
  ends[1]!();
  await last;
});
