/**
 * Hours in which nothing is as it should be, on the whole money with its clock and its chain in
 * hand: what can be saved is, nobody is served beyond what may be lost, and all settles after.
 */
import assert from "node:assert/strict";
import type { LocalAccount } from "viem";
import { rpcError } from "../worlds/chain/fake_chain.ts";
import { laneOf, MoneyWorld, OPERATOR, payersByAddress } from "../worlds/chain/money_world.ts";
import { PRICE } from "../worlds/chain/payer_bills.ts";
import { overdue } from "../worlds/chain/turns.ts";

const GWEI = 10n ** 9n;
const ETHER = 10n ** 18n;
/** Blocks of an hour, in these worlds. */
const BLOCK_SECONDS = 60n;
const HOUR = 60;
const [ANNA, BERT, CARL, DORA, EVE] = payersByAddress(5) as [
  LocalAccount,
  LocalAccount,
  LocalAccount,
  LocalAccount,
  LocalAccount,
];
const LANE = laneOf(1);
/** A payer's lanes that may be due at once. */
const DUST_LANES = 1_024;
/** What may be lost to a chain that is out of reach: ten credits. */
const OFFLINE_CREDITS = 10;

type Trouble = Readonly<{
  begins(world: MoneyWorld): void;
  ends(world: MoneyWorld): void;
  /** Whether calls go on to be served: the chain can be read. */
  serves: boolean;
}>;

const TROUBLES: Readonly<Record<string, Trouble>> = {
  "without gas coin": {
    begins: ({ fake }) => fake.setCoin(OPERATOR.address, 0n),
    ends: ({ fake }) => fake.setCoin(OPERATOR.address, ETHER),
    serves: true,
  },
  "without blocks": {
    begins: ({ fake }) => void (fake.blockSeconds = null),
    ends: ({ fake }) => void (fake.blockSeconds = BLOCK_SECONDS),
    serves: false,
  },
  "without a node": {
    begins: ({ fake }) => void (fake.intercept = () => Promise.reject(rpcError("down"))),
    ends: ({ fake }) => void (fake.intercept = null),
    serves: false,
  },
  "with the node's quota used up": {
    begins: ({ fake }) =>
      void (fake.intercept = () => Promise.reject(rpcError("429: daily limit exceeded"))),
    ends: ({ fake }) => void (fake.intercept = null),
    serves: false,
  },
};

/** A minute goes by, with or without a block. */
async function minute(world: MoneyWorld): Promise<void> {
  world.fake.advance(BLOCK_SECONDS);
  await world.payments.follower.poll();
  world.settle();
  await world.rest();
}

for (const [what, { begins, ends, serves }] of Object.entries(TROUBLES)) {
  Deno.test(`an hour ${what} costs no debt, and no more is promised than may be lost`, async () => {
    const offlineAmount = String(BigInt(OFFLINE_CREDITS) * PRICE);
    await using world = await MoneyWorld.open({
      blockSeconds: BLOCK_SECONDS,
      intervalSeconds: 60,
      settlement: { offlineAmount, headSecondsMax: 120 },
    });
    const { fake } = world;
    for (const { address } of [ANNA, BERT]) fake.allow(address, PRICE, 1_000n);
    await world.payments.follower.poll();
    for (let n = 0; n < 5; n++) assert.ok(await world.call(ANNA, LANE));
    begins(world);
    // Until it shows that the chain is gone, it is served as before.
    let served = 5n;
    const refusals = new Set<string>();
    let afterwards = 0;
    for (let passed = 0; passed < HOUR; passed++) {
      await minute(world);
      if (passed === HOUR / 2) await world.restart();
      for (const payer of [ANNA, BERT]) {
        const hold = await world.hold(payer, LANE);
        if (typeof hold === "string") refusals.add(hold);
        else {
          await world.charge(payer, LANE, hold);
          served += 1n;
          if (passed > 3) afterwards += 1;
        }
      }
    }
    if (serves) assert.equal(afterwards, 2 * (HOUR - 4));
    else {
      assert.ok(afterwards <= OFFLINE_CREDITS, `${afterwards} calls were promised blindly`);
      assert.ok(refusals.size > 0);
    }
    ends(world);
    for (let n = 0; n < 8; n++) await minute(world);
    assert.equal(world.taken(ANNA, LANE) + world.taken(BERT, LANE), served, "a debt was lost");
    assert.equal(world.payments.ledger.totals().unsettled, 0n);
    assert.deepEqual(world.payments.alarms(), []);
    assert.ok(await world.call(ANNA, LANE), "it does not serve again");
    assert.ok(fake.spentBy(OPERATOR.address) < 70n * 200_000n * 2n * GWEI, "it cost too much");
  });
}

/** Gas costs something: at 1,000 gwei a batch of one row about 1,100 base units. */
const COIN_PRICE = 10_000n;
const COSTLY = { gas: { coinPrice: String(COIN_PRICE), maxFeeGwei: 1_000_000 } };

/** What the operator has paid, USDC base units, rounded up. */
const paid = ({ fake }: MoneyWorld) => fake.spentBy(OPERATOR.address) * COIN_PRICE / ETHER + 1n;

Deno.test("gas at a thousand times its price for an hour eats up no debt, and all settles after", async () => {
  await using world = await MoneyWorld.open({
    blockSeconds: BLOCK_SECONDS,
    intervalSeconds: 60,
    provider: COSTLY,
  });
  const { fake } = world;
  const [cheap, dear] = [GWEI, 1_000n * GWEI];
  for (const { address } of [ANNA, BERT, CARL, DORA]) fake.allow(address, PRICE, 1_000_000n);
  await world.payments.follower.poll();
  const calls = async (payer: LocalAccount, times: number, lasts?: bigint) => {
    const terms = lasts === undefined ? {} : { lasts };
    for (let n = 0; n < times; n++) {
      const hold = await world.hold(payer, LANE, terms);
      if (typeof hold === "string") throw new Error(hold);
      await world.charge(payer, LANE, hold, terms);
    }
  };
  await calls(ANNA, 400);
  fake.baseFee = () => dear;
  await minute(world);
  await calls(ANNA, 400);
  await calls(BERT, 400);
  // These end in the hour: one is worth its gas by then, the other is not.
  await calls(CARL, 3, 900n);
  await calls(DORA, 400, 900n);
  const taken = () => [ANNA, BERT, CARL, DORA].map((payer) => world.taken(payer, LANE));
  const alarms = new Set<string>();
  for (let passed = 0; passed < HOUR; passed++) {
    await minute(world);
    for (const alarm of world.payments.alarms()) alarms.add(alarm);
  }
  assert.ok([...alarms].some((alarm) => /settlement is \d+ s behind/.test(alarm)));
  assert.deepEqual(taken(), [0n, 0n, 0n, 400n]);
  assert.ok(paid(world) <= 400n * PRICE, `${paid(world)} were spent for ${400n * PRICE}`);
  fake.baseFee = () => cheap;
  for (let n = 0; n < 4; n++) await minute(world);
  assert.deepEqual(taken(), [800n, 400n, 0n, 400n]);
  assert.deepEqual(world.payments.alarms(), []);
});

/** Uses a credit of each of so many lanes. */
async function litter(world: MoneyWorld, payer: LocalAccount, first: number, lanes: number) {
  await Promise.all([...Array(lanes).keys()].map(async (n) => {
    const lane = laneOf(10 + first + n);
    const hold = await world.hold(payer, lane);
    if (typeof hold === "string") throw new Error(hold);
    await world.charge(payer, lane, hold);
  }));
}

Deno.test("four payers with 4,096 lanes of dust keep nobody waiting", async () => {
  const intervalSeconds = 180;
  await using world = await MoneyWorld.open({ intervalSeconds });
  const { fake } = world;
  const dusty = [ANNA, BERT, CARL, DORA];
  for (const { address } of [...dusty, EVE]) fake.allow(address, PRICE, 1_000_000n);
  await world.payments.follower.poll();
  for (let lane = 0; lane < DUST_LANES; lane += 64) {
    for (const payer of dusty) await litter(world, payer, lane, 64);
    assert.ok(await world.call(EVE, LANE), "an honest payer is not served");
    // So many reads of the chain are admitted in a while.
    fake.now += 3n;
  }
  assert.equal(world.payments.ledger.totals().dueLanes, 4 * DUST_LANES + 1);
  await world.pass(intervalSeconds / 12 + 2);
  assert.equal(world.taken(EVE, LANE), BigInt(DUST_LANES / 64), "it waits behind dust");
  await world.pass(16);
  const pace = { intervalSeconds, blockSeconds: 12, shareGas: 15_000_000 };
  assert.deepEqual(overdue(world.debts, pace, Number(fake.now)), []);
  assert.equal(world.payments.ledger.totals().unsettled, 0n);
});

Deno.test("where gas costs something dust is refused by name, and what is served brings its gas", async () => {
  await using world = await MoneyWorld.open({ intervalSeconds: 60, provider: COSTLY });
  const { fake } = world;
  fake.baseFee = () => 20n * GWEI;
  // It has locked 20 calls' worth: not ten rows.
  fake.allow(ANNA.address, PRICE, 20n);
  fake.allow(EVE.address, PRICE, 1_000_000n);
  await world.payments.follower.poll();
  for (let n = 0; n < 100; n++) assert.ok(await world.call(EVE, LANE));
  await world.pass(6);
  const refusals: string[] = [];
  for (let n = 0; n < 20; n++) {
    const hold = await world.hold(ANNA, laneOf(n + 10));
    if (typeof hold === "string") refusals.push(hold);
    else await world.charge(ANNA, laneOf(n + 10), hold);
  }
  assert.ok(refusals.length >= 8, `${refusals.length} of 20 lanes were refused`);
  for (const refusal of refusals) assert.match(refusal, /worth/);
  for (let block = 0; block < 20; block++) await world.pass(1);
  assert.equal(world.taken(EVE, LANE), 100n);
  const taken = [...world.pages.values()].reduce(
    (sum, { payer, lane }) => sum + fake.consumed(payer, lane),
    0n,
  );
  assert.ok(paid(world) <= taken * PRICE, `${paid(world)} were spent for ${taken * PRICE}`);
});

Deno.test("an allowance that cures a thousand refused lanes asks and sends no more than it must", async () => {
  await using world = await MoneyWorld.open();
  const { fake } = world;
  fake.allow(ANNA.address, PRICE, 1_000n);
  await world.payments.follower.poll();
  const lanes = [...Array(1_000).keys()].map((n) => laneOf(n + 10));
  await Promise.all(lanes.map((lane) => world.call(ANNA, lane)));
  fake.allow(ANNA.address, PRICE, 0n);
  await world.pass(16);
  assert.equal(world.told("the escrow refused to settle a lane"), 1_000);
  const [sent, asked] = [world.settlements(), fake.requests];
  fake.allow(ANNA.address, PRICE, 1_000n);
  await world.payments.follower.poll();
  await world.payments.settlement.revived();
  assert.ok(fake.requests - asked <= 40, `${fake.requests - asked} requests`);
  await world.pass(10);
  assert.equal(world.settlements() - sent, 9, "rows of 120");
  assert.equal(fake.allowanceOf(ANNA.address).credits, 0n);
  assert.equal(world.payments.ledger.totals().unsettled, 0n);
});
