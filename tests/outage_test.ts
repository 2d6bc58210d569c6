/**
 * Hours in which nothing is as it should be, on the whole money with its clock and its chain in
 * hand: what can be saved is, nobody is served beyond what may be lost, and all settles after.
 */
import assert from "node:assert/strict";
import type { Hex, LocalAccount } from "viem";
import { rpcError } from "../worlds/chain/fake_chain.ts";
import { laneOf, MoneyWorld, OPERATOR, payersByAddress } from "../worlds/chain/money_world.ts";
import { PRICE } from "../worlds/chain/payer_bills.ts";

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
      // The process dies in the middle; without a node it comes back with it.
      if (passed === HOUR / 2 && fake.intercept === null) await world.restart();
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

/** A unit of gas costs so much that a row costs 44 base units when all is well: nine calls. */
const COSTLY = { gas: { coinPrice: "1000000", maxFeeGwei: 1_000_000 } };

/** What the operator has paid, USDC base units, where a coin costs 1 USDC. */
const paid = ({ fake }: MoneyWorld) => fake.spentBy(OPERATOR.address) / 10n ** 12n;

Deno.test("gas at a thousand times its price for an hour eats up no debt, and all settles after", async () => {
  await using world = await MoneyWorld.open({
    blockSeconds: BLOCK_SECONDS,
    intervalSeconds: 60,
    provider: COSTLY,
  });
  const { fake } = world;
  const [cheap, dear] = [GWEI, 1_000n * GWEI];
  for (const { address } of [ANNA, BERT, CARL]) fake.allow(address, PRICE, 1_000_000n);
  await world.payments.follower.poll();
  const calls = async (payer: LocalAccount, times: number, lasts?: bigint) => {
    const terms = lasts === undefined ? {} : { lasts };
    for (let n = 0; n < times; n++) assert.ok(await world.call(payer, LANE, terms));
  };
  await calls(ANNA, 400);
  fake.baseFee = () => dear;
  await minute(world);
  await calls(ANNA, 400);
  await calls(BERT, 400);
  // Its permit ends in the hour, and what it owes is worth less than its gas.
  await calls(CARL, 3, 900n);
  for (let passed = 0; passed < HOUR; passed++) await minute(world);
  assert.equal(paid(world), 0n, "what can wait waits, and what cannot brings less than it costs");
  assert.deepEqual([ANNA, BERT, CARL].map((payer) => world.taken(payer, LANE)), [0n, 0n, 0n]);
  fake.baseFee = () => cheap;
  for (let n = 0; n < 4; n++) await minute(world);
  assert.deepEqual([ANNA, BERT].map((payer) => world.taken(payer, LANE)), [800n, 400n]);
  assert.ok(paid(world) * 10n <= 1_200n * PRICE, `${paid(world)} were spent`);
});
