/** How payments are moved and closed, on a real chain with Circle's own USDC and a real outbox. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Hex } from "viem";
import { KhachapuriError } from "../../../errors.ts";
import { EXACT_OUT_MAX } from "../../../limits_of_exact.ts";
import type { TransferAuthorization } from "../../../transfer_authorization.ts";
import { mine, setMining } from "../../../../worlds/chain/anvil_calls.ts";
import { ACCOUNTS } from "../../../../worlds/chain/people.ts";
import { pauseUsdc, unpauseUsdc } from "../../../../worlds/chain/usdc.ts";
import { startUsdcChain, type UsdcChain } from "../../../../worlds/chain/usdc_chain.ts";
import {
  earned,
  PRICE,
  signOrder,
  spendFirst,
  takeOrder,
} from "../../../../worlds/exact_orders.ts";
import { hearLog } from "../../../../worlds/heard_log.ts";
import { makeFolder } from "../../../../worlds/home.ts";
import { turn } from "../../../../worlds/turns.ts";
import type { PurchasesOfSettler } from "../../ledger/purchase_book.ts";
import type { Order } from "../../ledger/purchase_rows.ts";
import { Purchases } from "../../ledger/purchases.ts";
import { openOperator, type Operator } from "../operator.ts";
import { openOutboxStore } from "../outbox_store.ts";
import { BlockWatch } from "./block_watch.ts";
import { ExactSettlement } from "./exact_settlement.ts";

const { payer, provider, stranger, operator: key, deployer } = ACCOUNTS;
const USED = "invalid_exact_evm_nonce_already_used";

/** A life of a provider's part that settles. */
interface Life {
  purchases: Purchases;
  operator: Operator;
  exact: ExactSettlement;
  /** The blocks that the book was said to rest on. */
  rests: bigint[];
  /** Called at each of them. */
  onRest(): unknown;
  close(): Promise<void>;
}

class World {
  readonly heard = hearLog();
  aheadMs = 0;

  constructor(readonly chain: UsdcChain, private readonly dir: string) {}

  async open(): Promise<Life> {
    const { chain, usdc } = this.chain;
    const now = () => Date.now() + this.aheadMs;
    const { log } = this.heard;
    const path = join(this.dir, "purchases.db");
    const purchases = new Purchases({ path, chainId: chain.chainId, asset: usdc, now });
    const operator = await openOperator({
      store: openOutboxStore(join(this.dir, "operator.db")),
      chain,
      account: key,
      log,
      pollMs: 20,
      onMined: (receipt) => exact.onMined(receipt),
    });
    const blocks = new BlockWatch({
      head: () => chain.public.getBlockNumber({ cacheTime: 0 }),
      now: Date.now,
    });
    const rests: bigint[] = [];
    const exact = new ExactSettlement({
      chain,
      usdc,
      payTo: provider.address,
      purchases,
      operator,
      blocks,
      coinPrice: 0n,
      log,
      laterNow: now,
      onRest({ number }) {
        rests.push(number);
        life.onRest();
      },
    });
    const close = async () => {
      await exact.close();
      await operator.close();
      purchases.close();
    };
    const life: Life = { purchases, operator, exact, rests, onRest: () => {}, close };
    return life;
  }

  sign(n: number, changes: Partial<TransferAuthorization> = {}): Promise<Order> {
    return signOrder(this.chain, n, changes);
  }

  take(order: Order): Promise<void> {
    return takeOrder(this.chain, order);
  }

  earned(): Promise<bigint> {
    return earned(this.chain);
  }
}

async function withWorld(use: (world: World, life: Life) => Promise<void>): Promise<void> {
  await using chain = await startUsdcChain();
  await using folder = await makeFolder();
  await chain.mint(payer, 1_000n);
  const world = new World(chain, folder.dir);
  const life = await world.open();
  try {
    await use(world, life);
  } finally {
    await life.close();
  }
}

async function ordered({ purchases }: Life, order: Order) {
  const result = await purchases.order(order, null);
  if ("refusal" in result) throw new Error(result.refusal.reason);
  purchases.letGo(result.purchase.id);
  return result.purchase;
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

async function refusalOf(pending: Promise<unknown>): Promise<KhachapuriError> {
  const outcome = await pending.then(() => null, (error) => error);
  assert.ok(outcome instanceof KhachapuriError, "it was not refused");
  return outcome;
}

const reasonOf = async (pending: Promise<unknown>) => (await refusalOf(pending)).data.x402Reason;

Deno.test("a payment is moved once, whoever waits for it", () =>
  withWorld(async (world, life) => {
    const { exact, purchases, operator } = life;
    const one = await ordered(life, await world.sign(1));
    await setMining(world.chain.chain, false);
    const waiting = [exact.settle(one), exact.settle(one)];
    await until(() => purchases.get(one.id).transaction !== null);
    assert.deepEqual([purchases.get(one.id).state, operator.pending()], ["sent", 1]);
    await setMining(world.chain.chain, true);
    await mine(world.chain.chain, 1);
    const [first, second] = await Promise.all(waiting);
    assert.deepEqual(first, second);
    assert.equal(first!.state, "paid");
    const receipt = await world.chain.chain.public.getTransactionReceipt({
      hash: first!.transaction!,
    });
    assert.deepEqual(first!.paidIn, { number: receipt.blockNumber, hash: receipt.blockHash });
    assert.equal(await world.earned(), PRICE);
    // As the caller holds an older one in hand.
    assert.deepEqual(await exact.settle(one), first);
    assert.equal(operator.pending(), 0);
  }));

Deno.test("one that somebody else was faster with is paid, and its block rested on", () =>
  withWorld(async (world, life) => {
    const order = await world.sign(1);
    const one = await ordered(life, order);
    await world.take(order);
    const paid = await life.exact.settle(one);
    assert.equal(paid.state, "paid");
    assert.deepEqual(life.rests, [paid.paidIn!.number]);
    assert.equal(life.operator.pending(), 0);
  }));

Deno.test("one that the token does not take is free again, or void", () =>
  withWorld(async (world, life) => {
    const { chain, usdc } = world.chain;
    const one = await ordered(life, await world.sign(1));
    await pauseUsdc(chain, deployer, usdc);
    const failed = await refusalOf(life.exact.settle(one));
    assert.equal(failed.data.x402Reason, "invalid_exact_evm_transaction_simulation_failed");
    assert.equal((failed.data.settlement as { success: boolean }).success, false);
    assert.equal(life.purchases.get(one.id).state, "open");
    await unpauseUsdc(chain, deployer, usdc);
    assert.equal((await life.exact.settle(one)).state, "paid");

    const spent = await world.sign(2);
    await world.take(await world.sign(2, { to: stranger.address }));
    const two = await ordered(life, spent);
    assert.equal(await reasonOf(life.exact.settle(two)), USED);
    assert.equal(life.purchases.get(two.id).state, "void");

    const { timestamp } = await chain.public.getBlock();
    const three = await ordered(life, await world.sign(3, { validBefore: timestamp }));
    const expired = "invalid_exact_evm_payload_authorization_valid_before";
    assert.equal(await reasonOf(life.exact.settle(three)), expired);
    assert.equal(life.purchases.get(three.id).state, "void");
    assert.equal(await world.earned(), PRICE);
  }));

Deno.test("without an endpoint nothing is sent, and without its gas neither", () =>
  withWorld(async (world, life) => {
    const one = await ordered(life, await world.sign(1));
    await world.chain.stopChain();
    assert.equal((await refusalOf(life.exact.settle(one))).code, "chain_unavailable");
    assert.equal(life.purchases.get(one.id).state, "open");
    assert.equal((await refusalOf(life.exact.hasCome(one))).data.x402Reason, "settlement_pending");
  }));

Deno.test("whoever waits when it closes is told that nobody knows, and the next life does", () =>
  withWorld(async (world, life) => {
    const { chain } = world.chain;
    const one = await ordered(life, await world.sign(1));
    await setMining(chain, false);
    const waiting = refusalOf(life.exact.settle(one));
    await until(() => life.purchases.get(one.id).transaction !== null);
    const { transaction } = life.purchases.get(one.id);
    await life.close();
    const { data, retryAfterSeconds } = await waiting;
    assert.equal(data.x402Reason, "settlement_pending");
    assert.equal((data.settlement as { transaction: Hex }).transaction, transaction);
    assert.ok(retryAfterSeconds! > 0);
    const next = await world.open();
    next.exact.start();
    const settled = next.exact.settle(next.purchases.get(one.id));
    await setMining(chain, true);
    await mine(chain, 1);
    assert.equal((await settled).transaction, transaction);
    assert.equal(await world.earned(), PRICE);
    await next.close();
  }));

Deno.test("what an earlier life left is closed by what the chain tells", () =>
  withWorld(async (world, life) => {
    const orders = await Promise.all([1, 2, 3, 4].map((n) => world.sign(n)));
    const [never, taken, owed, spent] = await Promise.all(
      orders.map((order) => ordered(life, order)),
    );
    for (const { id } of [never!, taken!, owed!, spent!]) await life.purchases.sending(id);
    await life.purchases.answered(owed!.id, "answered", null);
    await world.take(orders[1]!);
    await world.take(await world.sign(4, { to: stranger.address }));
    life.exact.start();
    const state = ({ id }: { id: number }) => life.purchases.get(id).state;
    await until(() => state(never!) === "open" && state(owed!) === "paid");
    await until(() => state(taken!) === "paid" && state(spent!) === "void");
    assert.equal(await world.earned(), 2n * PRICE);
    assert.ok(world.heard.lines.some((line) => line.includes("settled anew")));
    // What was lost though it was answered for is told.
    await life.purchases.answered(spent!.id, "answered", null);
    await assert.rejects(life.exact.hasCome(life.purchases.get(spent!.id)));
    assert.ok(world.heard.lines.some((line) => line.includes("was lost")));
  }));

Deno.test("nothing is sent for one that is just looked after", () =>
  withWorld(async (world, life) => {
    const { exact, operator } = life;
    const purchases: PurchasesOfSettler = life.purchases;
    const one = await ordered(life, await world.sign(1));
    await purchases.sending(one.id);
    const [begun, freed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const free = purchases.free.bind(purchases);
    purchases.free = async (id) => {
      begun.resolve();
      await freed.promise;
      return await free(id);
    };
    const { chain } = world.chain;
    await setMining(chain, false);
    exact.start();
    await begun.promise;
    const settled = exact.settle(one);
    for (let asked = 0; asked < 20; asked++) await chain.public.getBlockNumber({ cacheTime: 0 });
    assert.equal(operator.pending(), 0);
    await setMining(chain, true);
    freed.resolve();
    assert.equal((await settled).state, "paid");
  }));

Deno.test("what a block told is found out again when it has gone", () =>
  withWorld(async (world, life) => {
    const one = await ordered(life, await world.sign(1));
    const { paidIn } = await life.exact.settle(one);
    await life.exact.doubtAbove(paidIn!.number);
    assert.equal(life.purchases.get(one.id).state, "paid");
    await life.exact.doubtAbove(paidIn!.number - 1n);
    assert.equal(life.purchases.get(one.id).state, "sent");
    await until(() => life.purchases.get(one.id).state === "paid");
    assert.deepEqual(life.rests, [paidIn!.number]);
  }));

Deno.test("what is doubted while others are looked after is looked after right behind them", () =>
  withWorld(async (world, life) => {
    const ids = [];
    for (const n of [1, 2]) {
      const one = await ordered(life, await world.sign(n));
      ids.push((await life.exact.settle(one)).id);
    }
    const [first, second] = ids.map((id) => life.purchases.get(id));
    const begun = Date.now();
    life.onRest = async () => {
      life.onRest = () => {};
      await life.exact.doubtAbove(first!.paidIn!.number - 1n);
      assert.equal(life.purchases.get(first!.id).state, "sent");
    };
    await life.exact.doubtAbove(second!.paidIn!.number - 1n);
    await until(() => life.purchases.underWay().length === 0);
    assert.ok(Date.now() - begun < 8_000, "it waited for its turn");
  }));

Deno.test("receipts that move something else close nothing", () =>
  withWorld(async (world, life) => {
    const one = await ordered(life, await world.sign(1));
    await world.take(await world.sign(1, { value: PRICE - 1n }));
    const { transactions: [hash] } = await world.chain.chain.public.getBlock();
    const receipt = await world.chain.chain.public.getTransactionReceipt({ hash: hash! });
    await life.exact.onMined(receipt);
    assert.equal(life.purchases.get(one.id).state, "open");
  }));

Deno.test("whose payment is reverted when it is mined is not served for a while", () =>
  withWorld(async (world, life) => {
    const { chain } = world.chain;
    const one = await ordered(life, await world.sign(1));
    await setMining(chain, false);
    const failed = refusalOf(life.exact.settle(one));
    await until(() => life.purchases.get(one.id).transaction !== null);
    await spendFirst(world.chain);
    await setMining(chain, true);
    await mine(chain, 1);
    assert.equal((await failed).data.x402Reason, "invalid_exact_evm_insufficient_balance");
    assert.equal(life.purchases.get(one.id).state, "open");
    assert.throws(() => life.exact.assertRoom(payer.address), { code: "payment_required" });
    life.exact.assertRoom(stranger.address);
  }));

Deno.test("so many are out at once and no more, and what is out for long is told", () =>
  withWorld(async (world, life) => {
    const { chain } = world.chain;
    await setMining(chain, false);
    const settling = [];
    for (let n = 1; n <= EXACT_OUT_MAX; n++) {
      life.exact.assertRoom(payer.address);
      settling.push(life.exact.settle(await ordered(life, await world.sign(n))));
    }
    assert.throws(() => life.exact.assertRoom(payer.address), { code: "overloaded" });
    await until(() => life.operator.pending() === EXACT_OUT_MAX);
    assert.deepEqual(life.exact.alarms(), []);
    world.aheadMs = 660_000;
    assert.match(life.exact.alarms().join(), /^64 payments are not settled.* 11 minutes$/);
    world.aheadMs = 0;
    await setMining(chain, true);
    await mine(chain, 1);
    await Promise.all(settling);
    life.exact.assertRoom(payer.address);
    assert.deepEqual(life.exact.alarms(), []);
  }));
