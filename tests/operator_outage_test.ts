/**
 * What an hour without gas coin, without blocks or without a node leaves behind on a real chain:
 * nothing. All is mined at about the price of gas of the day, and the next transactions go out.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseTransaction } from "viem";
import { connect } from "../lib/chain/client.ts";
import { silentLog } from "../lib/log.ts";
import { openOperator, type Operator } from "../lib/provider/settlement/operator.ts";
import { openOutboxStore } from "../lib/provider/settlement/outbox_store.ts";
import { anvilAccount, startAnvil } from "../worlds/chain/anvil.ts";
import { mine, setBalance, setBaseFee, setMining } from "../worlds/chain/anvil_calls.ts";
import { NO_FAULTS, startChaosRpc } from "../worlds/chain/chaos_rpc.ts";
import { randomOf } from "../worlds/random.ts";

const STUCK_MS = 30_000;
const ETHER = 10n ** 18n;
const SETTLEMENT = { rank: "settlement", costMax: null } as const;
const TO = "0x00000000000000000000000000000000000000aa";
/** What one of these calls costs at the price of the day, with room for twice the base fee. */
const DEAR = 21_000n * 5n * 10n ** 9n;

/** An operator on a chain of its own behind a node that can be cut off, and its clock. */
async function openWorld() {
  const stack = new AsyncDisposableStack();
  const anvil = stack.use(await startAnvil());
  const rpc = stack.use(await startChaosRpc(randomOf(1)));
  rpc.target = anvil.url;
  const [direct, chain] = await Promise.all([connect(anvil.url), connect(rpc.url)]);
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const path = join(dir, "operator.db");
  const account = anvilAccount(2);
  let nowMs = 1_700_000_000_000;
  const open = () =>
    openOperator({
      store: openOutboxStore(path),
      chain,
      account,
      log: silentLog,
      onMined: () => Promise.resolve(),
      pollMs: 1,
      bumpAfterMs: STUCK_MS,
      now: () => nowMs,
    });
  const world = {
    direct,
    rpc,
    address: account.address,
    operator: await open(),
    /** As after a crash: another process on the same store. */
    async restart(): Promise<void> {
      await world.operator.close();
      world.operator = await open();
    },
    /** An hour in which the operator looks again and again, and is restarted in the middle. */
    async hour(during: () => Promise<void> = () => Promise.resolve()): Promise<void> {
      for (let passed = 0; passed < 3_600_000; passed += STUCK_MS) {
        nowMs += STUCK_MS;
        await during();
        await looks();
        if (passed === 60 * STUCK_MS) await world.restart();
      }
    },
    /** Time goes on until it has come to its end. */
    async ends<T>(work: Promise<T>): Promise<T> {
      const timer = setInterval(() => nowMs += 5_000, 10);
      return await work.finally(() => clearInterval(timer));
    },
    allMined: () => world.ends(until(() => world.operator.pending() === 0)),
    async forms() {
      const store = openOutboxStore(path);
      const raws = (await store.load()).map(({ raw }) => raw);
      store.close();
      return raws.map((raw) => parseTransaction(raw));
    },
    /** As the version before this one did in an hour: each form pays a quarter more. */
    async raiseAsBefore(): Promise<void> {
      await world.operator.close();
      const store = openOutboxStore(path);
      for (const form of await store.load()) {
        for (let fee = form.maxFeePerGas; fee < 10n ** 15n; fee = fee * 5n / 4n + 1n) {
          const fees = { maxFeePerGas: fee, maxPriorityFeePerGas: fee };
          const { nonce, gas } = form;
          const call = { type: "eip1559", chainId: chain.chainId, nonce, gas, to: TO } as const;
          const raw = await account.signTransaction({ ...call, ...fees });
          await store.remember({ ...form, ...fees, raw });
        }
      }
      store.close();
      world.operator = await open();
    },
    async [Symbol.asyncDispose]() {
      await world.operator.close();
      await stack.disposeAsync();
    },
  };
  return world;
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Time for a few looks at the chain; more would change nothing. */
const looks = () => new Promise((resolve) => setTimeout(resolve, 15));

/** Sends three, of which nobody waits for the end: the process may be another by then. */
async function sendThree(operator: Operator): Promise<void> {
  for (let sent = 0; sent < 3; sent++) {
    const { mined } = await operator.launch({ to: TO, data: "0x" }, SETTLEMENT);
    mined.catch(() => {});
  }
}

async function isNormalAgain(world: Awaited<ReturnType<typeof openWorld>>, before: bigint) {
  const { direct, address } = world;
  await world.allMined();
  assert.equal(await direct.public.getTransactionCount({ address }), 3);
  const paid = before - await direct.public.getBalance({ address });
  assert.ok(paid < 3n * DEAR, `${paid} wei for three transfers`);
  const receipt = await world.ends(world.operator.send({ to: TO, data: "0x" }, SETTLEMENT));
  assert.equal(receipt.status, "success");
  assert.deepEqual(world.operator.alarms(), []);
}

Deno.test("an hour without gas coin costs no more than the day's price afterwards", async () => {
  await using world = await openWorld();
  const { direct, address } = world;
  await setBalance(direct, address, 0n);
  await sendThree(world.operator);
  await world.hour(() => mine(direct, 1));
  assert.equal((await world.forms()).length, 3, "a higher fee brings no coin");
  await setBalance(direct, address, ETHER / 100n);
  await isNormalAgain(world, ETHER / 100n);
});

Deno.test("an hour without blocks does not either", async () => {
  await using world = await openWorld();
  const { direct, address } = world;
  await setMining(direct, false);
  const before = await direct.public.getBalance({ address });
  await sendThree(world.operator);
  await world.hour();
  assert.equal((await world.forms()).length, 3, "a higher fee brings no block");
  await setMining(direct, true);
  await mine(direct, 1);
  await isNormalAgain(world, before);
});

Deno.test("an hour without a node does not either", async () => {
  await using world = await openWorld();
  const { direct, address, rpc } = world;
  await setMining(direct, false);
  const before = await direct.public.getBalance({ address });
  await sendThree(world.operator);
  rpc.faults = { ...NO_FAULTS, error: 1 };
  await world.hour();
  assert.equal((await world.forms()).length, 3, "a higher fee brings no node");
  rpc.faults = NO_FAULTS;
  await setMining(direct, true);
  await mine(direct, 1);
  await isNormalAgain(world, before);
});

Deno.test("forms that an earlier version has raised beyond all measure are no obstacle", async () => {
  await using world = await openWorld();
  const { direct, address } = world;
  await setBalance(direct, address, 0n);
  await sendThree(world.operator);
  await world.raiseAsBefore();
  await setMining(direct, false);
  await setBalance(direct, address, ETHER / 100n);
  const pending = () => direct.public.getTransactionCount({ address, blockTag: "pending" });
  await until(async () => await pending() === 3);
  for (let count = 0; count < 5; count++) await looks();
  await setMining(direct, true);
  await mine(direct, 1);
  await isNormalAgain(world, ETHER / 100n);
});

Deno.test("a relay that is stuck at a low fee is no obstacle to a settlement", async () => {
  await using world = await openWorld();
  const { direct, address } = world;
  const before = await direct.public.getTransactionCount({ address });
  await setMining(direct, false);
  const cheap = { rank: "relay", costMax: 21_000n * 4n * 10n ** 9n } as const;
  const { mined } = await world.operator.launch({ to: TO, data: "0x" }, cheap);
  const told = assert.rejects(mined, { code: "chain_unavailable", message: /gave way/ });
  await setBaseFee(direct, 20n * 10n ** 9n);
  await mine(direct, 1);
  const settled = world.operator.send({ to: TO, data: "0x" }, SETTLEMENT);
  await until(async () => (await world.forms()).length === 3);
  await looks();
  await mine(direct, 1);
  assert.equal((await settled).status, "success");
  await told;
  assert.equal(await direct.public.getTransactionCount({ address }), before + 2);
});
