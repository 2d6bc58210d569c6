import assert from "node:assert/strict";
import { encodeFunctionData, parseTransaction } from "viem";
import { FAKE_ESCROW, rpcError } from "../../../worlds/chain/fake_chain.ts";
import {
  intercept,
  inTime,
  LANE,
  PAYER,
  SETTLEMENT,
  unavailable,
  until,
  withOperator,
} from "../../../worlds/chain/operator_world.ts";
import type { KhachapuriError } from "../../errors.ts";

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
