import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import {
  ID,
  LANE,
  NOW_MS,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  TRANSACTION,
} from "../../../worlds/ledger.ts";
import { apply, emptyBook, laneOf } from "./journal.ts";
import { hasLanes, LANES_SCHEMA, LaneTable, markIn, moveMark, parkedIn } from "./lane_table.ts";

function tableOf(...opened: [lane: typeof LANE, charged: bigint][]) {
  const database = new DatabaseSync(":memory:");
  database.exec(LANES_SCHEMA);
  const table = new LaneTable(database);
  const book = emptyBook();
  for (const [lane, charged] of opened) {
    apply(book, { kind: "open", payer: PAYER, lane, charged }, NOW_MS);
  }
  const keep = (lane: typeof LANE, seq: number, isParked: boolean) =>
    table.keep(laneOf(book, PAYER, lane)!, book.reservations, { seq, isParked });
  const here = () => [...table.here()].map(({ lane, seq }) => [lane.lane, lane.settled, seq]);
  return { database, table, book, keep, here };
}

Deno.test("a lane that is kept again takes the place of what it was", () => {
  const { table, book, keep, here } = tableOf([LANE, 3n]);
  assert.equal(keep(LANE, 5, false), null);
  const settle = { kind: "settle", settled: 4n, block: 1n, transaction: TRANSACTION } as const;
  apply(book, { ...settle, ...ID }, NOW_MS);
  assert.equal(keep(LANE, 8, false), null);
  assert.deepEqual(here(), [[LANE, 4n, 8]]);
  assert.equal(table.parked(PAYER, LANE), undefined);
  assert.equal(table.sums(PAYER), undefined);
});

Deno.test("a payer's sums have the lanes that are parked, each once, and no other", () => {
  const { table, book, keep, here } = tableOf([LANE, 3n], [OTHER_LANE, 10n]);
  const parked = parkedIn(table);
  assert.equal(keep(LANE, 5, true), 1);
  assert.equal(keep(OTHER_LANE, 6, true), 2);
  assert.deepEqual(parked.sums(PAYER), { lanes: 2, opened: 13n, charged: 13n });
  assert.deepEqual(here(), []);
  // It had come back, was parked again, came back and was used.
  const lane = laneOf(book, PAYER, LANE)!;
  lane.charged = lane.settled = 7n;
  assert.equal(keep(LANE, 9, true), 2);
  assert.deepEqual(parked.sums(PAYER), { lanes: 2, opened: 13n, charged: 17n });
  assert.equal(parked.lane(PAYER, LANE)?.charged, 7n);
  lane.charged = 8n;
  assert.equal(keep(LANE, 12, false), 1);
  assert.deepEqual(parked.sums(PAYER), { lanes: 1, opened: 10n, charged: 10n });
  assert.equal(parked.lane(PAYER, LANE), undefined, "what is here is nowhere else");
  assert.deepEqual(here(), [[LANE, 3n + 4n, 12]]);
  assert.equal(keep(OTHER_LANE, 13, false), 0);
  assert.equal(parked.sums(PAYER), undefined);
  assert.equal(parked.sums(OTHER_PAYER), undefined);
});

Deno.test("the first mark makes the ledger one that earlier releases refuse", () => {
  const { database } = tableOf();
  const version = () => database.prepare("PRAGMA user_version").get()!.user_version;
  assert.deepEqual(markIn(database), { low: 0, nextReservation: 1 });
  assert.equal(version(), 0);
  moveMark(database, { low: 70, nextReservation: 31 });
  moveMark(database, { low: 90, nextReservation: 40 });
  assert.deepEqual({ ...markIn(database) }, { low: 90, nextReservation: 40 });
  assert.equal(version(), 3);
});

Deno.test("a ledger without lanes is told from one with them", () => {
  const empty = new DatabaseSync(":memory:");
  assert.equal(hasLanes(empty), false);
  assert.deepEqual(markIn(empty), { low: 0, nextReservation: 1 });
  assert.equal(hasLanes(tableOf().database), true);
});
