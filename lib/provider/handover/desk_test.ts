import assert from "node:assert/strict";
import {
  drawOf,
  holdOne,
  ID,
  LANE,
  openLedger,
  PAYER,
  RUN,
  viewOf,
} from "../../../worlds/ledger.ts";
import { laneOf } from "../ledger/journal.ts";
import { LedgerSeat } from "../ledger/ledger_seat.ts";
import type { Purchase } from "../ledger/purchase_rows.ts";
import { openSqliteLedger } from "../ledger/sqlite_ledger.ts";
import { SettlerSeat } from "../settlement/exact/settler_seat.ts";
import { type Desk, farDesk, GuestDesk, type LeftUnderWay, serviceOf } from "./desk.ts";
import { fromPlain, toPlain } from "../../plain.ts";

const NOTHING: LeftUnderWay = { holds: [], purchases: [], claims: [] };

/** A desk as another process has it: everything goes through JSON. */
function far(desk: Desk): Desk {
  return farDesk(async (name, ...args) => {
    const there = JSON.parse(JSON.stringify(toPlain(args)));
    const done = await serviceOf(desk, name)!(...fromPlain(there) as never[]);
    return fromPlain(JSON.parse(JSON.stringify(toPlain(done))));
  });
}

async function openDesk(left = NOTHING) {
  const book = await openLedger();
  const letGo: number[] = [];
  const running = new Set<string>();
  const unused = null as never;
  const desk = new GuestDesk({
    ledger: book.ledger,
    purchases: { order: unused, answered: unused, letGo: (id) => void letGo.push(id) },
    purchased: { get: unused, adopt() {} },
    settler: unused,
    operator: unused,
    answers: unused,
    running: {
      adopt: (claims) => claims.forEach(([text]) => running.add(text)),
      letGo: (text) => void running.delete(text),
    },
    runLog: unused,
    onCharge() {},
  }, left);
  return { ...book, desk, letGo, running, [Symbol.asyncDispose]: book[Symbol.asyncDispose] };
}

Deno.test("a guest's credit is charged once, and what it holds as it ends is free", async () => {
  await using world = await openDesk();
  const desk = far(world.desk);
  const held = await desk.hold(drawOf(), viewOf(5n), "allowance", false);
  const other = await desk.hold(drawOf(), viewOf(5n), "allowance", false);
  assert(held.payable && other.payable);
  await desk.charge(held, "answered", RUN);
  await assert.rejects(desk.charge(held, "answered", RUN), /held no more/);
  assert.equal(world.desk.held, 1);
  assert.deepEqual(await desk.standing(drawOf(), viewOf(5n)), { charged: 2n, available: 3n });
  world.desk.leave();
  const lane = laneOf(world.ledger.store.book, PAYER, LANE)!;
  assert.deepEqual([lane.charged, lane.held], [1n, 0n]);
  await assert.rejects(desk.charge(other, "answered", RUN), /held no more/);
  const late = await desk.hold(drawOf(), viewOf(5n), "allowance", false);
  assert(late.payable);
  assert.equal(lane.held, 0n, "nobody would ever end it");
});

Deno.test("what was under way is the guest's until it ends", async () => {
  const claims: LeftUnderWay["claims"] = [["1,2", Uint8Array.of(1)], ["3", Uint8Array.of(2)]];
  await using world = await openDesk({ holds: [], purchases: [4, 5], claims });
  const desk = far(world.desk);
  desk.letGo(4);
  desk.letGo(6);
  desk.ended("3");
  assert.deepEqual([...world.running], ["1,2"]);
  world.desk.leave();
  assert.deepEqual([world.letGo, [...world.running]], [[4, 5], []]);
});

Deno.test("a ledger that passes on keeps what runs hold, and they go by the next one", async () => {
  await using world = await openLedger();
  const seat = new LedgerSeat(world.ledger);
  const held = await holdOne(seat, drawOf(), viewOf(3n));
  const next = Promise.withResolvers<Desk>();
  seat.move(next.promise);
  const charged = seat.charge(held, "answered", RUN);
  await world.ledger.close();
  const left = { isInUse: true, ahead: null };
  const successor = await openSqliteLedger(world.options, left);
  assert.equal(laneOf(successor.store.book, PAYER, LANE)!.held, 1n, "not released");
  next.resolve(successor as unknown as Desk);
  await charged;
  assert.equal(laneOf(successor.store.book, PAYER, LANE)!.charged, 1n);
  assert.equal(await seat.used(ID, viewOf(2n)), 1n);
  await successor.close();
});

Deno.test("a payment that is under way when its settler moves is waited for there", async () => {
  const closing = Promise.withResolvers<never>();
  const seat = new SettlerSeat({
    assertRoom() {},
    hasCome: () => Promise.resolve(false),
    settle: () => closing.promise,
  });
  const purchase = { id: 7 } as Purchase;
  const settled = seat.settle(purchase);
  seat.move(Promise.resolve({
    settle: (id) => Promise.resolve({ id, state: "paid" } as Purchase),
    hasCome: () => Promise.resolve(true),
  }));
  closing.reject(new Error("nobody knows here any more"));
  assert.equal((await settled).state, "paid");
  assert.equal(await seat.hasCome(purchase), true);
});
