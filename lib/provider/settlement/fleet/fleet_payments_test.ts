/** Two nodes of a fleet in one process, on the chain in memory and a database. */
import assert from "node:assert/strict";
import {
  ANNA,
  BERT,
  CREDITS,
  LANE,
  type MoneyNode,
  openFleetMoney,
} from "../../../../worlds/chain/fleet_money.ts";
import { FAKE_ESCROW } from "../../../../worlds/chain/fake_chain.ts";
import { permitOf, PRICE } from "../../../../worlds/chain/payer_bills.ts";
import { escrowAbi } from "../../../chain/abi.ts";
import { startFleetServer } from "../../../../worlds/fleet_database.ts";
import { assertBooks } from "../../../../worlds/fleet_ledger.ts";

const SERVER = await startFleetServer();
type World = Awaited<ReturnType<typeof openFleetMoney>>;

function test(name: string, fn: (world: World, one: MoneyNode, two: MoneyNode) => Promise<void>) {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using world = await openFleetMoney(SERVER!);
      const [one, two] = [await world.node("n1"), await world.node("n2")];
      await fn(world, one, two);
      await assertBooks(world.database);
    },
  });
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Nobody has heard of `old`, and `next` leads. */
async function takeOver({ silence }: World, next: MoneyNode): Promise<void> {
  await silence();
  await next.beat();
  assert.ok(next.payments.settlement.tenure);
  await next.follow();
}

test("whoever leads settles for all, whichever node is asked to", async (world, one, two) => {
  assert.deepEqual(
    [one, two].map(({ payments }) => payments.settlement.tenure !== null),
    [true, false],
  );
  for (const node of [one, two, two]) assert.ok(await node.call(ANNA));
  assert.ok(await two.call(BERT));
  await two.payments.settlement.settleNow();
  assert.deepEqual([world.taken(ANNA), world.taken(BERT)], [3n, 1n]);
  for (const node of [one, two]) {
    await node.beat();
    assert.equal(node.payments.ledger.totals().unsettled, 0n);
  }
  // An allowance is one, wherever its calls come.
  let served = 3n;
  for (let n = 0n; n < CREDITS; n++) {
    if (await (n % 2n === 0n ? one : two).call(ANNA)) served += 1n;
  }
  assert.equal(served, CREDITS);
  await one.payments.settlement.settleNow();
  assert.equal(world.taken(ANNA), CREDITS);
  assert.equal(world.told("settled"), 2);
});

test("who does not settle promises by what the one that does tells", async (_world, one, two) => {
  const { settlement } = two.payments;
  const first = settlement.windowSeconds();
  await one.beat();
  await two.beat();
  await until(() => settlement.told() !== null);
  assert.equal(settlement.windowSeconds(), one.payments.settlement.windowSeconds());
  assert.ok(first > settlement.windowSeconds(), "and before it was told more carefully");
  for (const node of [one, two]) assert.equal(node.payments.settlement.backlog(0), null);
});

test("the next leader settles what a killed one left, and heeds who gave notice meanwhile", async (
  world,
  one,
  two,
) => {
  assert.ok(await one.call(ANNA));
  assert.ok(await two.call(BERT));
  await one.follow();
  one.kill();
  world.fake.revoke(BERT.address, CREDITS);
  await two.follow();
  assert.equal(await two.call(BERT), false);
  await takeOver(world, two);
  await until(() => world.taken(BERT) === 1n);
  assert.equal(world.taken(ANNA), 0n, "whoever gave none waits for its turn");
  await two.payments.settlement.settleNow();
  assert.equal(world.taken(ANNA), 1n);
});

test("a batch that was signed and not sent is sent by the next leader, and no other", async (
  world,
  one,
  two,
) => {
  for (const payer of [ANNA, ANNA, BERT]) assert.ok(await two.call(payer));
  const dead = Promise.withResolvers<void>();
  one.endpoint.intercept = ({ method }) => {
    if (method !== "eth_sendRawTransaction") return Promise.resolve(undefined);
    one.kill();
    dead.resolve();
    return new Promise(() => {});
  };
  one.payments.settlement.settleNow();
  await dead.promise;
  await takeOver(world, two);
  await two.payments.settlement.settleNow();
  assert.deepEqual([world.taken(ANNA), world.taken(BERT)], [2n, 1n]);
  assert.equal(world.fake.nonce(two.payments.sender.address), 1);
  await two.beat();
  assert.equal(two.payments.ledger.totals().unsettled, 0n);
});

test("a leader that was cut off sends nothing more, and serves on", async (world, one, two) => {
  assert.ok(await one.call(ANNA));
  await takeOver(world, two);
  const { tenure } = one.payments.settlement;
  assert.ok(tenure, "it has not heard");
  await Promise.all([tenure.settlement.settleNow(), two.payments.settlement.settleNow()]);
  assert.equal(world.taken(ANNA), 1n);
  assert.equal(world.fake.nonce(two.payments.sender.address), 1);
  await one.beat();
  assert.equal(one.payments.settlement.tenure, null);
  assert.ok(await one.call(ANNA));
  await one.payments.settlement.settleNow();
  assert.equal(world.taken(ANNA), 2n);
});

test(
  "what a node wishes to be sent goes by the one that leads, and its gas is counted there",
  async (
    world,
    one,
    two,
  ) => {
    const permit = await permitOf(ANNA, LANE, 7n, 0);
    const call = { address: FAKE_ESCROW, abi: escrowAbi, functionName: "consume" };
    const receipt = await two.payments.sender.send(
      { ...call, args: [PRICE, permit] },
      { rank: "relay", costMax: null },
    );
    assert.equal(receipt.status, "success");
    assert.equal(world.taken(ANNA), 1n);
    const spent = [one, two].map(({ payments }) => payments.tally.figures().gasSpent > 0n);
    assert.deepEqual(spent, [true, false]);
  },
);

test("one that is drained hands over with the other's next beat", async (world, one, two) => {
  assert.ok(await one.call(ANNA));
  await one.payments.resign();
  assert.ok(await one.call(ANNA));
  await two.beat();
  await one.payments.settlement.settleNow();
  assert.equal(world.taken(ANNA), 2n);
  assert.ok(two.payments.settlement.tenure);
  await one.beat();
  assert.equal(one.payments.settlement.tenure, null);
});

test("what a reorganised chain has lost is settled again by whoever leads then", async (
  world,
  one,
  two,
) => {
  for (const node of [one, two]) assert.ok(await node.call(ANNA));
  await one.payments.settlement.settleNow();
  assert.equal(world.taken(ANNA), 2n);
  await one.follow();
  one.kill();
  await world.fake.reorganise(1, false);
  assert.equal(world.taken(ANNA), 0n);
  await world.fake.mine();
  await takeOver(world, two);
  await two.beat();
  assert.equal(two.payments.ledger.totals().unsettled, 10n);
  await two.payments.settlement.settleNow();
  assert.equal(world.taken(ANNA), 2n);
});
