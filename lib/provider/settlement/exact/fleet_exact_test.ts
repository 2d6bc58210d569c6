/** Payments of calls at one node, which another one settles, on a real chain with Circle's USDC. */
import assert from "node:assert/strict";
import { KhachapuriError } from "../../../errors.ts";
import { mine, setMining } from "../../../../worlds/chain/anvil_calls.ts";
import { ACCOUNTS } from "../../../../worlds/chain/people.ts";
import { pauseUsdc, unpauseUsdc } from "../../../../worlds/chain/usdc.ts";
import { ExactFleet, type ExactNode } from "../../../../worlds/exact_fleet.ts";
import {
  earned,
  PRICE,
  signOrder,
  spendFirst,
  takeOrder,
} from "../../../../worlds/exact_orders.ts";
import { startFleetServer } from "../../../../worlds/fleet_database.ts";
import { endSession } from "../../../../worlds/purchase_books.ts";
import { aWhile, turn } from "../../../../worlds/turns.ts";

const SERVER = await startFleetServer();
const USED = "invalid_exact_evm_nonce_already_used";

function testFleet(
  name: string,
  use: (fleet: ExactFleet, calls: ExactNode, leader: ExactNode) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using fleet = await ExactFleet.start(SERVER!);
      await use(fleet, await fleet.node(), await fleet.node());
    },
  });
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!await isSo()) await turn();
}

async function reasonOf(pending: Promise<unknown>): Promise<unknown> {
  const error = await pending.then(() => null, (error) => error);
  assert.ok(error instanceof KhachapuriError, "it was not refused");
  return error.data.x402Reason;
}

testFleet(
  "what a call waits for is settled by whoever leads, once",
  async (fleet, calls, leader) => {
    await leader.lead();
    const { purchases, settler } = calls;
    const one = await calls.order(await signOrder(fleet.chain, 1));
    const paid = await settler.settle(one);
    assert.equal(paid.state, "paid");
    const { chain } = fleet.chain;
    const receipt = await chain.public.getTransactionReceipt({ hash: paid.transaction! });
    assert.deepEqual(paid.paidIn, { number: receipt.blockNumber, hash: receipt.blockHash });
    assert.equal(await earned(fleet.chain), PRICE);
    assert.deepEqual(await settler.settle(one), paid, "as it is by now");
    await purchases.answered(one.id, "answered", null);
    await purchases.letGo(one.id);
    assert.equal((await leader.purchases.numbered(one.id))!.outcome, "answered");
    await assert.rejects(settler.settle(one), /for its run/);
  },
);

testFleet("why it came to nothing is told as the leader was told", async (fleet, calls, leader) => {
  await leader.lead();
  const { chain, usdc } = fleet.chain;
  const order = await signOrder(fleet.chain, 1);
  const one = await calls.order(order);
  await pauseUsdc(chain, ACCOUNTS.deployer, usdc);
  const failed = await calls.settler.settle(one).catch((error) => error);
  assert.equal(failed.data.x402Reason, "invalid_exact_evm_transaction_simulation_failed");
  assert.equal(failed.data.settlement.success, false);
  assert.equal((await calls.purchases.get(one.id)).state, "open");
  await unpauseUsdc(chain, ACCOUNTS.deployer, usdc);
  await calls.purchases.letGo(one.id);
  assert.equal((await calls.settler.settle(await calls.order(order))).state, "paid");
});

testFleet(
  "a leader that goes is followed by one that settles what calls wait for",
  async (fleet, calls, leader) => {
    const { chain } = fleet.chain;
    const old = await leader.lead();
    const one = await calls.order(await signOrder(fleet.chain, 1));
    await setMining(chain, false);
    const settled = calls.settler.settle(one);
    await until(async () => (await calls.purchases.get(one.id)).transaction !== null);
    await old.close();
    const two = await calls.order(await signOrder(fleet.chain, 2));
    const both = [settled, calls.settler.settle(two)];
    await (await fleet.node()).lead();
    await setMining(chain, true);
    await mine(chain, 1);
    const states = (await Promise.all(both)).map(({ state }) => state);
    assert.deepEqual(states, ["paid", "paid"]);
    assert.equal(await earned(fleet.chain), 2n * PRICE);
  },
);

testFleet(
  "whether one has come the leader finds out, without sending it",
  async (fleet, calls, leader) => {
    await leader.lead();
    const { settler, purchases } = calls;
    const order = await signOrder(fleet.chain, 1);
    const one = await calls.order(order);
    assert.equal(await settler.hasCome(one), false);
    assert.equal((await purchases.get(one.id)).state, "open");
    await takeOrder(fleet.chain, order);
    assert.equal(await settler.hasCome(one), true);
    assert.equal((await purchases.get(one.id)).state, "paid");
    const two = await calls.order(await signOrder(fleet.chain, 2));
    const spent = await signOrder(fleet.chain, 2, { to: ACCOUNTS.stranger.address });
    await takeOrder(fleet.chain, spent);
    assert.equal(await reasonOf(settler.hasCome(two)), USED);
  },
);

testFleet("for a node that died nothing is sent any more", async (fleet, calls, leader) => {
  const order = await signOrder(fleet.chain, 1);
  const one = await calls.order(order);
  const waiting = reasonOf(calls.settler.settle(one));
  await until(async () =>
    (await fleet.world.database.ask("SELECT FROM purchases WHERE wish IS NOT NULL")).length > 0
  );
  await endSession(fleet.world.database, calls.session);
  const { operator } = await leader.lead();
  assert.equal(await waiting, "settlement_pending");
  assert.equal(operator.pending(), 0);
  assert.equal(await earned(fleet.chain), 0n);
  assert.equal((await leader.settler.settle(await leader.order(order))).state, "paid");
});

testFleet(
  "without anybody who leads, who waits is told that nobody knows",
  async (fleet, calls) => {
    const one = await calls.order(await signOrder(fleet.chain, 1));
    const [settled, come] = [calls.settler.settle(one), calls.settler.hasCome(one)].map(reasonOf);
    await until(async () =>
      (await fleet.world.database.ask("SELECT FROM purchases WHERE wish IS NOT NULL")).length > 0
    );
    await aWhile();
    await calls.settler.close();
    assert.equal(await settled, "settlement_pending");
    assert.equal(await come, "settlement_pending");
  },
);

testFleet("what a block told is found out again by whoever leads", async (fleet, calls, leader) => {
  const { doubtAbove } = await leader.lead();
  const one = await calls.order(await signOrder(fleet.chain, 1));
  const { paidIn } = await calls.settler.settle(one);
  await doubtAbove(paidIn!.number - 1n);
  await until(async () => (await calls.purchases.get(one.id)).state === "paid");
  assert.deepEqual((await calls.purchases.get(one.id)).paidIn, paidIn);
});

testFleet(
  "whose payment is reverted is served at no node for a while",
  async (fleet, calls, leader) => {
    await leader.lead();
    const { chain } = fleet.chain;
    const one = await calls.order(await signOrder(fleet.chain, 1));
    await setMining(chain, false);
    const failed = reasonOf(calls.settler.settle(one));
    await until(async () => (await calls.purchases.get(one.id)).transaction !== null);
    await spendFirst(fleet.chain);
    await setMining(chain, true);
    await mine(chain, 1);
    assert.equal(await failed, "invalid_exact_evm_insufficient_balance");
    assert.equal((await calls.purchases.get(one.id)).state, "open");
    for (const { purchases } of [calls, leader]) {
      const ordered = await purchases.order(await signOrder(fleet.chain, 2), null);
      assert.ok("refusal" in ordered && ordered.refusal.reason === "reverted");
    }
  },
);
