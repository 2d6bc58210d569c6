/** A payer's lanes that nobody asks for any more, in memory and in the database. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import {
  type FleetDatabase,
  freshDatabase,
  startFleetServer,
} from "../../../../worlds/fleet_database.ts";
import { assertBooks, type LedgerNode, openLedgerNode } from "../../../../worlds/fleet_ledger.ts";
import { drawOf, PAYER, viewOf } from "../../../../worlds/ledger.ts";
import type { Draw } from "../judge.ts";
import type { Held } from "../ledger.ts";

const SERVER = await startFleetServer();
const MANY = 12;
/** A payer has more lanes than these. */
const LANES = 2;

function test(name: string, work: (world: FleetDatabase, node: LedgerNode) => Promise<void>) {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using world = await freshDatabase(SERVER!);
      const own = { idleSweeps: 1, lanes: LANES };
      await using node = await openLedgerNode(world.database, "n1", undefined, own);
      await work(world, node);
    },
  });
}

const laneOf = (lane: number): Hex => `0x${String(lane).padStart(64, "0")}`;
const drawOn = (lane: number): Draw => drawOf({ lane: laneOf(lane) });
const VIEW = viewOf(9n, {
  settled: new Map(Array.from({ length: MANY + 1 }, (_, lane) => [laneOf(lane), 0n])),
});

async function hold({ ledger }: LedgerNode, draw: Draw): Promise<Held> {
  const held = await ledger.hold(draw, VIEW, "allowance", false);
  assert.ok(held.payable);
  return held;
}

/** As often as a caller hangs up. */
async function comeAndGo(node: LedgerNode, lanes: number): Promise<void> {
  for (let lane = 1; lane <= lanes; lane++) {
    node.ledger.release(await hold(node, drawOn(lane)), "the caller hung up");
  }
}

async function lanesOnce(
  { database }: FleetDatabase,
  most: number,
): Promise<{ lane: string; charged: number }[]> {
  for (;;) {
    const rows = await database.ask<{ lane: string; charged: number }>(
      "SELECT lane, charged::int4 AS charged FROM lanes ORDER BY lane",
    );
    if (rows.length <= most) return rows;
  }
}

test("lanes that nobody charged go, and come again where somebody calls", async (world, node) => {
  const { ledger } = node;
  await ledger.charge(await hold(node, drawOn(1)), "answered", null);
  const running = await hold(node, drawOn(2));
  await comeAndGo(node, MANY);
  const left = await lanesOnce(world, LANES);
  assert.ok(left.some(({ charged }) => charged === 1), "what was charged stays");
  assert.ok(left.some(({ lane }) => lane === drawOn(2).lane), "so does what a run holds");
  await ledger.charge(running, "answered", null);
  for (const lane of [1, 7]) {
    await ledger.charge(await hold(node, drawOn(lane)), "answered", null);
  }
  await ledger.close();
  const { used, held } = await assertBooks(world.database);
  assert.deepEqual([used, held], [4, 0]);
});

test("a lane that another node had removed is opened again", async ({ database }, one) => {
  await using two = await openLedgerNode(database, "n2");
  const draw = drawOn(1);
  one.ledger.release(await hold(one, draw), "the caller hung up");
  assert.ok((await two.ledger.judge(draw, VIEW, "allowance")).payable, "it is known there");
  await one.ledger.close();
  await one.sessions.end();
  await database.ask("SELECT forget_lanes_1(id, (SELECT array_agg(id) FROM lanes)) FROM accounts");
  assert.equal((await database.ask("SELECT id FROM lanes")).length, 0);
  const all = await Promise.all([hold(two, draw), hold(two, draw)]);
  for (const held of all) await two.ledger.charge(held, "answered", null);
  assert.ok(two.ledger.knows(PAYER, draw.lane));
  await two.ledger.close();
  assert.equal((await assertBooks(database)).used, 2);
});
