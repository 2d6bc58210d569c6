import assert from "node:assert/strict";
import type { Address, Hex } from "viem";
import type { DueLane } from "../ledger/ledger.ts";
import { Flights } from "./flights.ts";
import type { Row } from "./rows.ts";

const PAYER: Address = `0x${"aa".repeat(20)}`;
const laneOf = (n: number): Hex => `0x${String(n).padStart(64, "0")}`;

/** A row that takes the lane to `credits`. */
function row(lane: Hex, credits = 2n, fresh = credits, price = 5n): Row {
  return { lane: { payer: PAYER, lane }, charge: { price, credits }, fresh } as Row;
}

/** So many credits beyond those that are settled. */
function due(lane: Hex, credits: bigint, settled = 0n): DueLane {
  return { payer: PAYER, lane, since: 7, deadline: 0n, epoch: 0, settled, amount: 5n * credits };
}

/** Whatever is ready has had its turn. */
const macrotask = () => new Promise((resolve) => setImmediate(resolve));

Deno.test("what is on its way is left out of what is due, until it ends", () => {
  const flights = new Flights(() => 1_000);
  const [one, two] = [laneOf(1), laneOf(2)];
  const end = flights.start([row(one), row(two, 1n)], true);
  flights.start([row(laneOf(3))], true);
  assert.equal(flights.amount(), 25n);
  assert.equal(flights.rest(due(one, 2n)), null);
  assert.equal(flights.upTo(due(one, 2n), true), 2n);
  assert.equal(flights.rest({ ...due(one, 2n), amount: 11n })!.amount, 1n);
  // What was used since is due from the batch on.
  assert.deepEqual(flights.rest(due(one, 5n)), { ...due(one, 3n), since: 1_000 });
  end();
  assert.equal(flights.amount(), 10n);
  assert.deepEqual(flights.rest(due(one, 2n)), due(one, 2n));
  assert.equal(flights.upTo(due(one, 2n), true), undefined);
});

Deno.test("a lane may be in several batches, each going on where the one before ends", () => {
  const flights = new Flights(() => 1_000);
  const lane = laneOf(1);
  const first = flights.start([row(lane, 2n)], true);
  const second = flights.start([row(lane, 5n, 3n)], true);
  assert.equal(flights.upTo(due(lane, 6n), false), 5n);
  assert.equal(flights.rest(due(lane, 6n))!.amount, 5n);
  first();
  assert.equal(flights.rest(due(lane, 4n, 2n))!.amount, 5n);
  second();
  assert.deepEqual(flights.rest(due(lane, 1n)), due(lane, 1n));
  assert.equal(flights.amount(), 0n);
});

Deno.test("what the book has as settled is not on its way, though its batch has not ended", () => {
  const flights = new Flights(() => 1_000);
  const lane = laneOf(1);
  const end = flights.start([row(lane, 5n)], true);
  assert.equal(flights.rest(due(lane, 5n)), null);
  assert.equal(flights.rest(due(lane, 3n, 5n))!.amount, 15n);
  assert.equal(flights.rest(due(lane, 4n, 4n))!.amount, 15n, "one of them is on its way");
  end();
  assert.equal(flights.rest(due(lane, 3n, 5n))!.amount, 15n);
});

Deno.test("what two batches carry is on its way once", () => {
  let now = 0;
  const flights = new Flights(() => now);
  const lane = laneOf(1);
  flights.start([row(lane, 5n)], true);
  now = 120_000;
  flights.start([row(lane, 8n)], false);
  assert.equal(flights.rest(due(lane, 8n)), null);
  assert.equal(flights.rest(due(lane, 10n))!.amount, 10n);
});

Deno.test("of what is carried again at two prices nothing counts twice", () => {
  const flights = new Flights(() => 0);
  const lane = laneOf(1);
  flights.start([row(lane, 3n), row(lane, 5n, 2n, 7n)], false);
  flights.start([row(lane, 3n), row(lane, 8n, 5n, 7n)], false);
  const all = { ...due(lane, 0n), amount: 3n * 5n + 5n * 7n };
  assert.equal(flights.rest(all), null);
  assert.equal(flights.rest({ ...all, amount: all.amount + 9n })!.amount, 9n);
});

Deno.test("what only a batch that has ended carried is due, though a later one is out", () => {
  const flights = new Flights(() => 1_000);
  const lane = laneOf(1);
  const first = flights.start([row(lane, 2n)], true);
  flights.start([row(lane, 5n, 3n)], true);
  first();
  assert.equal(flights.rest(due(lane, 5n))!.amount, 10n);
});

Deno.test("what an earlier batch carries stays on its way when a later one has ended", () => {
  const flights = new Flights(() => 1_000);
  const lane = laneOf(1);
  flights.start([row(lane, 2n)], true);
  const second = flights.start([row(lane, 5n, 3n)], true);
  second();
  assert.equal(flights.rest(due(lane, 2n)), null);
  assert.equal(flights.rest(due(lane, 5n))!.amount, 15n);
});

Deno.test("a lane's batches may end in another order", () => {
  const flights = new Flights(() => 1_000);
  const lane = laneOf(1);
  const first = flights.start([row(lane, 2n)], true);
  const second = flights.start([row(lane, 5n, 3n)], true);
  second();
  first();
  assert.equal(flights.amount(), 0n);
  assert.deepEqual(flights.rest(due(lane, 1n)), due(lane, 1n));
});

Deno.test("a lane that can wait no longer goes once more when its batch is stuck", () => {
  let now = 1_000_000;
  const flights = new Flights(() => now);
  const lane = laneOf(1);
  const first = flights.start([row(lane)], true);
  now += 119_999;
  assert.equal(flights.upTo(due(lane, 2n), false), 2n);
  now += 1;
  assert.deepEqual(flights.rest(due(lane, 2n)), due(lane, 2n));
  assert.equal(flights.upTo(due(lane, 2n), true), 2n);
  assert.equal(flights.upTo(due(lane, 2n), false), undefined);
  flights.start([row(lane)], false);
  now += 280_000;
  assert.equal(flights.upTo(due(lane, 2n), false), 2n, "once is enough");
  first();
  assert.equal(flights.upTo(due(lane, 2n), false), 2n, "the second has it still");
});

Deno.test("eight batches are out at most, and sixteen of what cannot wait", async () => {
  const flights = new Flights(() => 0);
  const ends = Array.from({ length: 8 }, (_, n) => flights.start([row(laneOf(n))], true));
  assert.deepEqual([flights.hasRoom(true), flights.hasRoom(false)], [false, true]);
  let landed = 0;
  const landing = flights.landing().then(() => landed += 1);
  await macrotask();
  assert.equal(landed, 0);
  ends[0]!();
  await landing;
  flights.landing().then(() => landed += 1);
  await macrotask();
  assert.equal(landed, 1, "the next one is still out");
  assert.ok(flights.hasRoom(true));
  for (let n = 8; n < 17; n++) flights.start([row(laneOf(n))], true);
  assert.ok(!flights.hasRoom(false));
  ends[1]!();
  assert.ok(flights.hasRoom(false));
});
