/** How much of the chain payers and strangers cost, counted on the chain in memory. */
import assert from "node:assert/strict";
import type { Permit } from "../../permit.ts";
import { permitOf, PRICE } from "../../../worlds/chain/payer_bills.ts";
import {
  BLOCK_MS,
  laneAt,
  networkAt,
  openWatchedPayers,
  payerAt,
  until,
  type WatchedPayers,
} from "../../../worlds/chain/watched_payers.ts";

const PAYERS = Array.from({ length: 1_000 }, (_, n) => payerAt(n));
const LANE = laneAt(1);
const CREDITS = 1_000_000n;
const BLOCKS_A_MINUTE = 60_000 / BLOCK_MS;
/** Of the 300 a minute so many are not settlement's. */
const REQUESTS_MAX = 240;
const FLIGHTS_AT_ONCE = 8;

interface Settled {
  permits: Permit[];
  used: bigint[];
}

/** A minute in which each payer calls every 6 s, and all is settled once. */
async function passMinute(world: WatchedPayers, { permits, used }: Settled): Promise<void> {
  for (let block = 0; block < BLOCKS_A_MINUTE; block++) {
    const calls = PAYERS.keys().filter((n) => n % 3 === block % 3).map(async (n) => {
      await world.call(PAYERS[n]!, LANE, permits[n]!);
      used[n]! += 1n;
    });
    await Promise.all(calls);
    if (block === BLOCKS_A_MINUTE / 2) {
      await world.settle(
        permits.map((permit, n) => ({ permit, credits: used[n]!, price: PRICE })),
      );
    }
    await world.look();
  }
}

Deno.test("1,000 payers with a call every 6 s, settled every minute, cost the chain 240 requests a minute", async () => {
  await using world = await openWatchedPayers();
  for (const { address } of PAYERS) world.fake.allow(address, PRICE, CREDITS);
  await world.look();
  const settled = {
    permits: await Promise.all(PAYERS.map((account) => permitOf(account, LANE, CREDITS, 0))),
    used: PAYERS.map(() => 0n),
  };
  const first = await world.counted(() => passMinute(world, settled));
  const second = await world.counted(() => passMinute(world, settled));
  // And in the one in which each payer's turn to be checked has come.
  world.now += 600_000;
  const third = await world.counted(() => passMinute(world, settled));
  for (const requests of [first, second, third]) assert.ok(requests <= REQUESTS_MAX, `${requests}`);
  const { read, advanced } = world.payments.payers.figures();
  assert.deepEqual([read, advanced], [2_000, 3_000]);
  assert.deepEqual(world.heard.lines.filter((line) => /not what the chain says/.test(line)), []);
});

Deno.test("with the provider's own settlement of all of them it is 220 requests a minute", async () => {
  await using world = await openWatchedPayers();
  const { fake, payments: { settlement, operator } } = world;
  for (const { address } of PAYERS) fake.allow(address, PRICE, CREDITS);
  await world.look();
  const permits = await Promise.all(PAYERS.map((payer) => permitOf(payer, LANE, CREDITS, 0)));
  fake.isMining = false;
  for (let minute = 0; minute < 3; minute++) {
    const requests = await world.counted(async () => {
      const settling: Promise<void>[] = [];
      for (let block = 0; block < BLOCKS_A_MINUTE; block++) {
        const calls = PAYERS.keys().filter((n) => n % 3 === block % 3);
        await Promise.all(calls.map((n) => world.call(PAYERS[n]!, LANE, permits[n]!)));
        if (block === BLOCKS_A_MINUTE / 2) {
          settling.push(settlement.settleDue());
          await until(() => operator.pending() === FLIGHTS_AT_ONCE);
        }
        await world.look();
      }
      await Promise.all(settling);
    });
    assert.equal(operator.pending(), 0);
    assert.ok(requests <= 220, `${requests}`);
  }
});

Deno.test("the first calls on 1,000 lanes of one owner cost the chain 2,100 requests", async () => {
  await using world = await openWatchedPayers();
  const [owner] = PAYERS as [typeof PAYERS[0]];
  world.fake.allow(owner!.address, PRICE, CREDITS);
  await world.look();
  const requests = await world.counted(async () => {
    for (let lane = 0; lane < 1_000; lane++) {
      await world.call(owner!, laneAt(lane));
      if (lane % 5 === 4) await world.look();
    }
  });
  assert.ok(requests <= 2_100, `${requests}`);
});

Deno.test("a thousand calls at once on lanes that were never seen cost some rounds", async () => {
  await using world = await openWatchedPayers();
  const [owner] = PAYERS as [typeof PAYERS[0]];
  world.fake.allow(owner!.address, PRICE, CREDITS);
  await world.look();
  await world.call(owner!, laneAt(0));
  await Promise.all(
    Array.from({ length: 1_000 }, (_, n) => permitOf(owner!, laneAt(n + 1), CREDITS, 0)),
  );
  const requests = await world.counted(() =>
    Promise.all(Array.from({ length: 1_000 }, (_, n) => world.call(owner!, laneAt(n + 1))))
  );
  assert.ok(requests <= 20, `${requests}`);
});

Deno.test("forged permits of a payer whose lanes are not settled cost the chain nothing", async () => {
  await using world = await openWatchedPayers();
  const [payer, forger] = PAYERS as [typeof PAYERS[0], typeof PAYERS[0]];
  world.fake.allow(payer!.address, PRICE, CREDITS);
  await world.look();
  for (let lane = 0; lane < 100; lane++) await world.call(payer!, laneAt(lane));
  await world.look();
  const requests = await world.counted(async () => {
    for (let n = 0; n < 200; n++) {
      const forged = { ...await permitOf(forger!, laneAt(n), CREDITS, 0), payer: payer!.address };
      await assert.rejects(world.call(payer!, laneAt(n), forged, networkAt(n)), {
        code: "payment_required",
      });
      if (n % 50 === 0) await world.call(payer!, laneAt(7), undefined, "203.0.113.7");
    }
  });
  assert.equal(requests, 0);
});

Deno.test("who was never seen makes us ask as often as the limits say, and stands in no payer's way", async () => {
  await using world = await openWatchedPayers();
  const [payer, forger, victim] = PAYERS as [typeof PAYERS[0], typeof PAYERS[0], typeof PAYERS[0]];
  for (const { address } of [payer!, victim!]) world.fake.allow(address, PRICE, CREDITS);
  await world.look();
  await world.call(payer!, LANE);
  // One name, each time another key: once it is known who signs there is nothing to ask.
  const named = await world.counted(async () => {
    for (let n = 0; n < 200; n++) {
      const forged = { ...await permitOf(forger!, laneAt(n), CREDITS, 0), payer: victim!.address };
      await assert.rejects(world.call(victim!, laneAt(n), forged, networkAt(n)));
    }
  });
  assert.ok(named <= 2, `${named}`);
  // Each time another name, from one network.
  const refusals: string[] = [];
  const flood = await world.counted(() =>
    Promise.all(Array.from({ length: 200 }, async (_, n) => {
      const stranger = payerAt(5_000 + n);
      const refused = await world.call(stranger, LANE, undefined, "198.51.100.9")
        .then(() => "served", ({ code }) => code);
      refusals.push(refused);
    }))
  );
  assert.ok(flood <= 2 * 60, `${flood}`);
  assert.equal(refusals.filter((code) => code === "rate_limited").length, 140);
  await world.call(payer!, LANE, undefined, "198.51.100.9");
  assert.deepEqual([...world.payments.payers.figures().refused], [["prefix", 140]]);
});

Deno.test("980 new payers at once are all admitted, in a few requests", async () => {
  await using world = await openWatchedPayers();
  const payers = PAYERS.slice(0, 980);
  for (const { address } of payers) world.fake.allow(address, PRICE, CREDITS);
  await world.look();
  const requests = await world.counted(() =>
    Promise.all(payers.map((account, n) => world.call(account, LANE, undefined, networkAt(n))))
  );
  assert.ok(requests <= 20, `${requests}`);
});

Deno.test("while the node stands still no more is served than offlineAmount", async () => {
  const offlineAmount = 50n;
  await using world = await openWatchedPayers({
    headSecondsMax: 120,
    offlineAmount: String(offlineAmount),
  });
  const [payer] = PAYERS as [typeof PAYERS[0]];
  world.fake.allow(payer!.address, PRICE, CREDITS);
  await world.look();
  await world.call(payer!, LANE);
  for (let hour = 0; hour < 48; hour++) {
    world.now += 3_600_000;
    await world.payments.follower.poll();
    for (let calls = 0; calls < 50; calls++) {
      const isServed = await world.call(payer!, LANE).then(() => true, () => false);
      if (!isServed) break;
    }
  }
  assert.ok(world.payments.ledger.totals().unsettled <= offlineAmount);
  assert.equal(world.payments.follower.isCurrent(), false);
  assert.match(
    world.payments.alarms().join(),
    /the node stands still: its newest block is 172\d{3} s old/,
  );
  // It goes on.
  await world.look();
  assert.deepEqual([world.payments.follower.isCurrent(), world.payments.alarms()], [true, []]);
  await world.call(payer!, LANE);
});

Deno.test("a start with 5,000 lanes settled lately is current after a few requests", async () => {
  await using world = await openWatchedPayers();
  const owners = PAYERS.slice(0, 5);
  for (const { address } of owners) world.fake.allow(address, PRICE, CREDITS);
  await world.look();
  const lanes = Array.from({ length: 1_000 }, (_, n) => laneAt(n));
  for (const owner of owners) {
    const permits = await Promise.all(lanes.map((lane) => permitOf(owner, lane, CREDITS, 0)));
    await world.call(owner, lanes[0]!, permits[0]);
    await Promise.all(permits.slice(1).map((permit) => world.call(owner, permit.lane, permit)));
    await world.settle(permits.map((permit) => ({ permit, credits: 1n, price: PRICE })));
  }
  await world.look();
  world.now += 10 * BLOCK_MS;
  const resumed = await world.counted(() => world.restart());
  assert.ok(world.payments.follower.isCurrent());
  assert.ok(resumed <= 6, `${resumed}`);
  // Where what says how far it came is lost, all that may have been undone is read, at once.
  await world.end();
  await Deno.remove(`${world.dir}/followed.json`);
  const levelled = await world.counted(() => world.start());
  assert.ok(world.payments.follower.isCurrent());
  assert.ok(levelled <= 15, `${levelled}`);
  assert.equal(world.payments.ledger.totals().unsettled, 0n);
});
