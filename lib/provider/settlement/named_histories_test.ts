/** Faults that were once shown on the whole money, each as the smallest history that shows it. */
import assert from "node:assert/strict";
import {
  laneOf,
  MoneyWorld,
  OPERATOR,
  payersByAddress,
  type WorldOptions,
} from "../../../worlds/chain/money_world.ts";
import { PRICE } from "../../../worlds/chain/payer_bills.ts";
import { overdue } from "../../../worlds/chain/turns.ts";

interface History {
  name: string;
  options?: WorldOptions;
  play(world: MoneyWorld): Promise<void>;
}

const GWEI = 10n ** 9n;
const ETHER = 10n ** 18n;
const [LOW, HIGH] = payersByAddress(2);
const [LANE, OTHER] = [laneOf(1), laneOf(2)];
/** A permit that is served and has this long left, seconds: just beyond the settle window. */
const JUST_LONG_ENOUGH = 170n;

const HISTORIES: History[] = [
  {
    name: "an hour without gas coin ends with the coin, at the price of a unit of gas",
    options: { blockSeconds: 30n },
    async play(world) {
      const { fake } = world;
      fake.allow(LOW!.address, PRICE, 100n);
      fake.setCoin(OPERATOR.address, 0n);
      assert.ok(await world.call(LOW!, LANE));
      await world.pass(120);
      fake.setCoin(OPERATOR.address, 10n * ETHER);
      await world.pass(8);
      assert.equal(world.taken(LOW!, LANE), 1n);
      assert.ok(fake.spentBy(OPERATOR.address) < 200_000n * 2n * GWEI, "it cost more than gas");
    },
  },
  {
    name: "gas at a thousand times its price for an hour costs no more than is allowed for it",
    options: { blockSeconds: 30n, provider: { gas: { coinPrice: "4000000000", maxFeeGwei: 20 } } },
    async play(world) {
      const { fake } = world;
      fake.allow(LOW!.address, PRICE, 100n);
      fake.baseFee = () => 1_000n * GWEI;
      assert.ok(await world.call(LOW!, LANE));
      await world.pass(120);
      assert.equal(fake.spentBy(OPERATOR.address), 0n);
      fake.baseFee = () => GWEI;
    },
  },
  {
    name: "who keeps sixty lanes due from a low address keeps nobody from being paid",
    async play(world) {
      const { fake } = world;
      for (const { address } of [LOW!, HIGH!]) fake.allow(address, PRICE, 100_000n);
      const dust = [...Array(60).keys()].map((n) => laneOf(n + 10));
      const dirty = () => Promise.all(dust.map((lane) => world.call(LOW!, lane)));
      await dirty();
      for (let n = 0; n < 20; n++) {
        assert.ok(await world.call(HIGH!, LANE, { lasts: JUST_LONG_ENOUGH }));
      }
      for (let block = 0; block < 14; block++) {
        await world.pass(1);
        await dirty();
      }
      assert.equal(world.taken(HIGH!, LANE), 20n, "served and never paid");
      const pace = { intervalSeconds: 12, blockSeconds: 12, shareGas: 15_000_000 };
      assert.deepEqual(overdue(world.debts, pace, Number(fake.now)), []);
    },
  },
  {
    name: "a debt that was written off makes no transaction of every later charge",
    options: { settlement: { amount: String(20n * PRICE) } },
    async play(world) {
      const { fake } = world;
      for (const { address } of [LOW!, HIGH!]) fake.allow(address, PRICE, 1_000n);
      for (let n = 0; n < 19; n++) await world.call(LOW!, LANE);
      fake.allow(LOW!.address, PRICE, 0n);
      await world.pass(3);
      const before = world.settlements();
      // No round comes by time while these are made.
      for (let n = 0; n < 40; n++) {
        await world.call(HIGH!, OTHER);
        await world.rest();
        await fake.mine();
        await world.rest();
      }
      assert.ok(world.settlements() - before <= 4, `${world.settlements() - before} transactions`);
    },
  },
  {
    name: "a permit that ends soon takes nothing from one that does not",
    options: { intervalSeconds: 45 },
    async play(world) {
      const { fake } = world;
      fake.allow(LOW!.address, PRICE, 1_000n);
      for (let n = 0; n < 50; n++) await world.call(LOW!, LANE, { credits: 100n });
      await world.call(LOW!, LANE, { credits: 51n, lasts: 151n });
      fake.isMining = false;
      fake.delays = () => true;
      await world.pass(16);
      fake.delays = () => false;
      await world.pass(8);
      assert.ok(world.taken(LOW!, LANE) >= 50n, `${world.taken(LOW!, LANE)} of 50 were paid`);
    },
  },
  {
    name: "a lane that was refused heals with a permit that covers it",
    async play(world) {
      const { fake } = world;
      fake.allow(LOW!.address, PRICE, 1_000n);
      fake.delays = () => true;
      for (let n = 0; n < 10; n++) {
        await world.call(LOW!, LANE, { credits: 10n, lasts: JUST_LONG_ENOUGH });
      }
      await world.pass(16);
      fake.delays = () => false;
      await world.pass(4);
      assert.equal(world.told("the escrow refused to settle a lane"), 1, "it has not expired");
      assert.ok(await world.call(LOW!, LANE, { credits: 100n }), "it would pay for all of it");
      await world.pass(4);
      assert.equal(world.taken(LOW!, LANE), 11n);
    },
  },
  {
    name: "one allowance of a payer with many refused lanes asks and sends little",
    async play(world) {
      const { fake } = world;
      fake.allow(LOW!.address, PRICE, 1_000n);
      const lanes = [...Array(200).keys()].map((n) => laneOf(n + 10));
      await Promise.all(lanes.map((lane) => world.call(LOW!, lane)));
      fake.allow(LOW!.address, PRICE, 0n);
      await world.pass(10);
      const [sent, asked] = [world.settlements(), fake.requests];
      fake.allow(LOW!.address, PRICE, 1n);
      await world.payments.follower.poll();
      assert.ok(fake.requests - asked <= 40, `${fake.requests - asked} requests`);
      await world.pass(6);
      assert.ok(world.settlements() - sent <= 2, `${world.settlements() - sent} transactions`);
    },
  },
  {
    name: "behind a node that stands still no more is served than may be lost",
    options: { settlement: { amount: "100", offlineAmount: "50", headSecondsMax: 120 } },
    async play(world) {
      const { fake } = world;
      fake.allow(LOW!.address, PRICE, 100_000n);
      await world.call(LOW!, LANE);
      await world.pass(3);
      fake.faults.standsAt = fake.height();
      fake.delays = () => true;
      let served = 0;
      for (let hour = 0; hour < 6; hour++) {
        fake.now += 3_600n;
        await world.payments.follower.poll();
        for (let n = 0; n < 20; n++) if (await world.call(LOW!, LANE)) served += 1;
      }
      assert.ok(BigInt(served) * PRICE <= 150n, `${served} calls were served`);
    },
  },
  {
    name: "a clock that is ten minutes late serves no permit that the chain takes no more",
    options: { lateSeconds: 600 },
    async play(world) {
      const { fake } = world;
      fake.allow(LOW!.address, PRICE, 1_000n);
      let served = 0n;
      for (let n = 0; n < 10; n++) if (await world.call(LOW!, LANE, { lasts: 15n })) served += 1n;
      await world.pass(8);
      assert.equal(world.taken(LOW!, LANE), served);
    },
  },
  {
    name: "a replica that lags a block behind is taken for no fork",
    async play(world) {
      const { fake } = world;
      fake.allow(LOW!.address, PRICE, 1_000n);
      await world.call(LOW!, LANE);
      await world.pass(3);
      const newest = () => fake.height();
      // "latest" is answered by one machine, numbers by another that has not come so far.
      fake.faults.lie = ({ method, params }, truth) => {
        const isNewest = method === "eth_getBlockByNumber" && params![0] !== "latest" &&
          BigInt(params![0] as string) >= newest();
        return isNewest ? null : truth;
      };
      for (let n = 0; n < 4; n++) {
        await world.payments.follower.poll();
        await world.pass(1);
      }
      assert.equal(world.told("the chain was reorganised"), 0);
    },
  },
];

for (const { name, options, play } of HISTORIES) {
  Deno.test(name, async () => {
    await using world = await MoneyWorld.open(options);
    await play(world);
  });
}
