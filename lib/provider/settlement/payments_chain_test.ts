/** What the chain's time and forks mean for the books, on the whole wiring. */
import assert from "node:assert/strict";
import { signPermit } from "../../permit.ts";
import { FAKE_ESCROW } from "../../../worlds/chain/fake_chain.ts";
import { PRICE, PROVIDER } from "../../../worlds/chain/payer_bills.ts";
import { laneAt, openWatchedPayers, payerAt } from "../../../worlds/chain/watched_payers.ts";

const PAYER = payerAt(1);
const LANE = laneAt(1);

function permitUntil(deadline: bigint) {
  return signPermit(PAYER, { chainId: 31_337, escrow: FAKE_ESCROW }, {
    payer: PAYER.address,
    provider: PROVIDER.address,
    lane: LANE,
    price: PRICE,
    credits: 100n,
    deadline,
    epoch: 0,
  });
}

Deno.test("a permit that has ended by the chain's time is not served, though our clock is late", async () => {
  await using world = await openWatchedPayers({ intervalSeconds: 40 });
  const { fake } = world;
  fake.allow(PAYER.address, PRICE, 100n);
  await world.look();
  const ahead = 600n;
  const chainTime = BigInt(world.now / 1_000) + ahead;
  Object.defineProperty(fake, "now", { get: () => chainTime });
  await world.look();
  const near = await permitUntil(chainTime + 60n);
  await assert.rejects(world.call(PAYER, LANE, near), /deadline has passed or is too near/);
  assert.match((await world.credits.permitFault(near))!.message, /deadline/);
  await world.call(PAYER, LANE, await permitUntil(chainTime + 600n));
  assert.match(world.payments.alarms().join(), /clock differs/);
});

Deno.test("one that has ended by our clock is not served either, though the node is late", async () => {
  await using world = await openWatchedPayers({ intervalSeconds: 40 });
  world.fake.allow(PAYER.address, PRICE, 100n);
  await world.look();
  world.now += 600_000;
  const near = await permitUntil(BigInt(world.now / 1_000) + 60n);
  await assert.rejects(world.call(PAYER, LANE, near), /deadline has passed or is too near/);
});

Deno.test("a view of a block that went before the follower looked is read anew", async () => {
  await using world = await openWatchedPayers();
  const { fake } = world;
  fake.allow(PAYER.address, PRICE, 1n);
  await world.look();
  // Two blocks that the follower does not see.
  fake.allow(PAYER.address, PRICE, 50n);
  await fake.mine();
  await world.call(PAYER, LANE);
  assert.equal(world.payments.payers.last(PAYER.address)!.credits, 50n);
  await fake.reorganise(2, false);
  await world.look();
  await assert.rejects(world.call(PAYER, LANE), /no credits left/);
});

Deno.test("a notice lowers at once what is served, though finality does not know of it", async () => {
  await using world = await openWatchedPayers({ finality: "finalized" });
  const { fake } = world;
  fake.allow(PAYER.address, PRICE, 3n);
  for (let block = 0; block < 5; block++) await world.look();
  await world.call(PAYER, LANE);
  fake.revoke(PAYER.address, 2n);
  await world.look();
  await assert.rejects(world.call(PAYER, LANE), /no credits left/);
  // What was served is settled. What is allowed has to be final first.
  await world.settleNow();
  assert.equal(fake.consumed(PAYER.address, LANE), 1n);
  fake.allow(PAYER.address, PRICE, 4n);
  await world.look();
  await assert.rejects(world.call(PAYER, LANE), /no credits left/);
  for (let block = 0; block < 4; block++) await world.look();
  for (let calls = 0; calls < 4; calls++) await world.call(PAYER, LANE);
  await assert.rejects(world.call(PAYER, LANE), /no credits left/);
});

Deno.test("a batch that a fork took back while nobody watched is settled again after the start", async () => {
  await using world = await openWatchedPayers();
  const { fake } = world;
  fake.allow(PAYER.address, PRICE, 10n);
  await world.look();
  await world.call(PAYER, LANE);
  // Mined and told by its receipt; the follower has not looked since.
  await world.settleNow();
  await world.end();
  await fake.reorganise(1, false);
  assert.equal(fake.consumed(PAYER.address, LANE), 0n);
  await world.start();
  await world.settleNow();
  assert.equal(fake.consumed(PAYER.address, LANE), 1n);
});
