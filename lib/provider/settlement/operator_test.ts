import assert from "node:assert/strict";
import { join } from "node:path";
import { encodeFunctionData, type Hex, parseTransaction, type TransactionReceipt } from "viem";
import { anvilAccount } from "../../../worlds/chain/anvil.ts";
import {
  FAKE_ESCROW,
  type FakeChain,
  fakeChain,
  rpcError,
} from "../../../worlds/chain/fake_chain.ts";
import { escrowAbi } from "../../chain/abi.ts";
import type { ContractCall } from "../../chain/client.ts";
import { KhachapuriError } from "../../errors.ts";
import { silentLog } from "../../log.ts";
import { signPermit, UINT64_MAX } from "../../permit.ts";
import { openOperator, type Operator } from "./operator.ts";

const PROVIDER = anvilAccount(1).address;
const PAYER = anvilAccount(4);
const LANE: Hex = `0x${"1a".repeat(32)}`;
const BUMP_AFTER_MS = 30_000;
const SETTLEMENT = { rank: "settlement", costMax: null } as const;

interface World {
  fake: FakeChain;
  operator: Operator;
  mined: TransactionReceipt[];
  /** Moves the operator's clock on. */
  advance(ms: number): void;
  /** As after a crash: another operator on the same outbox. */
  restart(): Promise<void>;
  readonly consumption: ContractCall;
  consume(): Promise<TransactionReceipt>;
}

async function withOperator(work: (world: World) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const fake = fakeChain(PROVIDER);
  const terms = { payer: PAYER.address, provider: PROVIDER, lane: LANE, price: 5n, credits: 100n };
  const domain = { chainId: fake.chain.chainId, escrow: FAKE_ESCROW };
  const permit = await signPermit(PAYER, domain, { ...terms, deadline: UINT64_MAX, epoch: 0 });
  fake.allow(PAYER.address, 5n, 50n);
  const mined: TransactionReceipt[] = [];
  let nowMs = 1_000;
  const open = () =>
    openOperator({
      path: join(dir, "operator.db"),
      chain: fake.chain,
      account: anvilAccount(2),
      log: silentLog,
      onMined: (receipt) => Promise.resolve(void mined.push(receipt)),
      pollMs: 1,
      bumpAfterMs: BUMP_AFTER_MS,
      now: () => nowMs,
    });
  const world: World = {
    fake,
    operator: open(),
    mined,
    advance: (ms) => void (nowMs += ms),
    async restart() {
      await world.operator.close();
      world.operator = open();
    },
    consumption: {
      address: FAKE_ESCROW,
      abi: escrowAbi,
      functionName: "consume",
      args: [5n, permit],
    },
    consume: () => world.operator.send(world.consumption, SETTLEMENT),
  };
  try {
    await work(world);
  } finally {
    // Nobody waits for what is still out.
    fake.intercept = null;
    await world.operator.close();
    await Deno.remove(dir, { recursive: true });
  }
}

/** Lets the operator look and look again until it is so; bounded by the test runner. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Hours pass, look by look, until `work` is done. */
async function inTime<T>({ advance }: World, work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = work.finally(() => isDone = true);
  done.catch(() => {});
  await until(() => {
    advance(BUMP_AFTER_MS);
    return isDone;
  });
  return await done;
}

const unavailable = (error: unknown) =>
  error instanceof KhachapuriError && error.code === "chain_unavailable";

/** Counts the requests for `method` from now on and lets `answer` speak in the chain's place. */
function intercept(
  fake: FakeChain,
  method: string,
  answer: (call: number, params: readonly unknown[]) => unknown,
): { count(): number } {
  let calls = 0;
  fake.intercept = (request) => {
    if (request.method !== method) return Promise.resolve(undefined);
    calls += 1;
    return Promise.resolve().then(() => answer(calls, request.params ?? []));
  };
  return { count: () => calls };
}

Deno.test("a transaction is mined once and tells of it once", async () => {
  await withOperator(async ({ fake, operator, mined, consume }) => {
    const receipt = await consume();
    assert.equal(receipt.status, "success");
    assert.equal(fake.consumed(PAYER.address, LANE), 1n);
    assert.equal(mined.length, 1);
    assert.equal(operator.pending(), 0);
  });
});

Deno.test("a launch resolves when its transaction is out, with the gas that it was promised", async () => {
  await withOperator(async ({ fake, operator, consumption }) => {
    fake.isMining = false;
    const { mined } = await operator.launch(consumption, { ...SETTLEMENT, gasMin: 3_000_000n });
    assert.equal(operator.pending(), 1);
    assert.equal(parseTransaction(fake.mempool[0]!.raw).gas, 3_000_000n);
    await fake.mine();
    assert.equal((await mined).status, "success");
  });
});

Deno.test("plain bytes are sent as a call is", async () => {
  await withOperator(async ({ operator, consumption, fake }) => {
    const { abi, functionName, args } = consumption;
    const data = encodeFunctionData({ abi, functionName, args: args! });
    await operator.send({ to: FAKE_ESCROW, data }, SETTLEMENT);
    assert.equal(fake.consumed(PAYER.address, LANE), 1n);
  });
});

Deno.test("the price of gas is base fee and tip, asked once for all who want it at a time", async () => {
  await withOperator(async ({ fake, operator, advance }) => {
    const asked = intercept(fake, "eth_getBlockByNumber", () => undefined);
    assert.deepEqual(await Promise.all([operator.gasPrice(), operator.gasPrice()]), [2n, 2n]);
    assert.equal(asked.count(), 1);
    advance(10_000);
    fake.intercept = () => Promise.reject(rpcError("down"));
    await assert.rejects(operator.gasPrice(), { code: "chain_unavailable" });
    fake.intercept = null;
    assert.equal(await operator.gasPrice(), 2n);
  });
});

Deno.test("a stuck transaction gets a higher fee and keeps its nonce", async () => {
  await withOperator(async ({ fake, advance, consume, mined }) => {
    fake.isMining = false;
    const sent = consume();
    await until(() => fake.mempool.length === 1);
    advance(BUMP_AFTER_MS);
    await until(() => fake.mempool.length === 2);
    const [first, second] = fake.mempool;
    assert.equal(first!.nonce, second!.nonce);
    assert.ok(second!.fee * 10n >= first!.fee * 11n, "nodes refuse a smaller raise");
    await fake.mine();
    assert.equal((await sent).status, "success");
    assert.equal(fake.consumed(PAYER.address, LANE), 1n);
    assert.equal(mined.length, 1);
  });
});

Deno.test("a broadcast that the node swallows is repeated", async () => {
  await withOperator(async ({ fake, consume }) => {
    const swallowed = `0x${"00".repeat(32)}`;
    const seen = intercept(fake, "eth_sendRawTransaction", (n) => n < 4 ? swallowed : undefined);
    await consume();
    assert.equal(seen.count(), 4);
    assert.equal(fake.consumed(PAYER.address, LANE), 1n);
  });
});

Deno.test("a broadcast that fails is repeated, never signed anew", async () => {
  await withOperator(async ({ fake, consume }) => {
    const raws = new Set<unknown>();
    intercept(fake, "eth_sendRawTransaction", (n, [raw]) => {
      raws.add(raw);
      if (n < 3) throw rpcError("try again later");
    });
    await consume();
    assert.equal(raws.size, 1);
  });
});

Deno.test("an operator that starts again takes up the nonce it had signed", async () => {
  await withOperator(async (world) => {
    const { fake, mined } = world;
    fake.isMining = false;
    world.consume().catch(() => {});
    await until(() => fake.mempool.length === 1);
    const { raw } = fake.mempool.splice(0)[0]!;
    await world.restart();
    await until(() => fake.mempool.length === 1);
    assert.equal(fake.mempool[0]!.raw, raw);
    await fake.mine();
    await until(() => mined.length === 1);
    await world.restart();
    assert.equal(world.operator.pending(), 0);
    assert.equal(fake.consumed(PAYER.address, LANE), 1n);
  });
});

Deno.test("a transaction mined while nobody looked is told of after the start", async () => {
  await withOperator(async (world) => {
    const { fake, mined } = world;
    fake.isMining = false;
    world.consume().catch(() => {});
    await until(() => fake.mempool.length === 1);
    fake.intercept = () => Promise.reject(rpcError("down"));
    await fake.mine();
    await world.restart();
    fake.intercept = null;
    await until(() => mined.length === 1);
    assert.equal(fake.consumed(PAYER.address, LANE), 1n);
  });
});

Deno.test("a nonce that was used elsewhere is given up in the end, and the next send works", async () => {
  await withOperator(async (world) => {
    const { fake, consume, mined } = world;
    fake.isMining = false;
    const sent = consume();
    await until(() => fake.mempool.length === 1);
    fake.mempool.length = 0;
    fake.stealNonce();
    await assert.rejects(inTime(world, sent), unavailable);
    fake.isMining = true;
    await consume();
    assert.equal(fake.consumed(PAYER.address, LANE), 1n);
    assert.equal(mined.length, 1);
  });
});

Deno.test("a node that counts too far for a moment costs no transaction", async () => {
  await withOperator(async ({ fake, consume, mined }) => {
    fake.isMining = false;
    const sent = consume();
    await until(() => fake.mempool.length === 1);
    const seen = intercept(fake, "eth_getTransactionCount", (n) => n < 5 ? "0x9" : undefined);
    await until(() => seen.count() >= 5);
    await fake.mine();
    assert.equal((await sent).status, "success");
    assert.equal(mined.length, 1);
  });
});

Deno.test("a first nonce that was too high is reached by filling the hole below it", async () => {
  await withOperator(async (world) => {
    const { fake, consume } = world;
    intercept(fake, "eth_getTransactionCount", (n) => n === 1 ? "0x3" : undefined);
    const sent = consume();
    await until(() => fake.mempool.length === 1);
    assert.equal(fake.mempool[0]!.nonce, 3);
    assert.equal((await inTime(world, sent)).status, "success");
    assert.equal(fake.nonce(), 4);
    assert.equal(fake.consumed(PAYER.address, LANE), 1n);
  });
});

Deno.test("a first nonce that was a lie is given up, and the next send works", async () => {
  await withOperator(async (world) => {
    const { fake, consume } = world;
    intercept(fake, "eth_getTransactionCount", (n) => n === 1 ? "0xffff" : undefined);
    await assert.rejects(inTime(world, consume()), unavailable);
    assert.equal((await consume()).status, "success");
    assert.equal(fake.consumed(PAYER.address, LANE), 1n);
  });
});

Deno.test("a node that counts too low never makes two transactions of one nonce", async () => {
  await withOperator(async ({ fake, consume }) => {
    await consume();
    fake.isMining = false;
    intercept(
      fake,
      "eth_getTransactionCount",
      (_, [, tag]) => tag === "pending" ? "0x0" : undefined,
    );
    const both = [consume(), consume()];
    await until(() => fake.mempool.length === 2);
    assert.deepEqual(fake.mempool.map(({ nonce }) => nonce), [1, 2]);
    await fake.mine();
    for (const sent of both) assert.equal((await sent).status, "success");
    assert.equal(fake.consumed(PAYER.address, LANE), 3n);
  });
});

Deno.test("what a reorganised chain has lost does not block what follows", async () => {
  await withOperator(async (world) => {
    const { fake, consume } = world;
    await consume();
    await consume();
    await fake.reorganise(1, false);
    assert.equal(fake.nonce(), 1);
    assert.equal((await inTime(world, consume())).status, "success");
    assert.equal(fake.consumed(PAYER.address, LANE), 2n);
  });
});

Deno.test("the escrow's no is told before anything is signed", async () => {
  await withOperator(async ({ fake, operator, consume }) => {
    fake.allow(PAYER.address, 5n, 0n);
    await assert.rejects(consume(), (error: KhachapuriError) => {
      assert.equal(error.code, "chain_refused");
      assert.equal(error.data.reason, "InsufficientCredits");
      return true;
    });
    assert.equal(operator.pending(), 0);
    assert.equal(fake.nonce(), 0);
  });
});

Deno.test("a simulation says the escrow's no, and signs nothing either way", async () => {
  await withOperator(async ({ fake, operator, consumption }) => {
    const sent = intercept(fake, "eth_sendRawTransaction", () => undefined);
    await operator.simulate(consumption);
    fake.allow(PAYER.address, 5n, 0n);
    await assert.rejects(operator.simulate(consumption), (error: KhachapuriError) => {
      assert.equal(error.code, "chain_refused");
      assert.equal(error.data.reason, "InsufficientCredits");
      return true;
    });
    assert.deepEqual([sent.count(), operator.pending(), fake.nonce()], [0, 0, 0]);
  });
});

Deno.test("a simulation waits for nothing that is sent", async () => {
  await withOperator(async ({ fake, operator, consume, consumption }) => {
    const held = Promise.withResolvers<undefined>();
    intercept(fake, "eth_sendRawTransaction", () => held.promise);
    const sent = consume();
    await operator.simulate(consumption);
    held.resolve(undefined);
    await sent;
  });
});

Deno.test("a call that reverts when mined says so and blocks nothing", async () => {
  await withOperator(async ({ fake, operator, consume }) => {
    fake.isMining = false;
    const sent = consume();
    await until(() => fake.mempool.length === 1);
    fake.allow(PAYER.address, 5n, 0n);
    await fake.mine();
    assert.equal((await sent).status, "reverted");
    assert.equal(operator.pending(), 0);
  });
});

Deno.test("that the operator lacks gas coin is not told as the payer's trouble", async () => {
  await withOperator(async ({ fake, consume }) => {
    intercept(fake, "eth_estimateGas", () => {
      throw rpcError("insufficient funds for gas * price + value");
    });
    await assert.rejects(consume(), (error: KhachapuriError) => {
      assert.equal(error.code, "chain_unavailable");
      assert.equal(error.message, "the provider cannot settle right now");
      return true;
    });
  });
});
