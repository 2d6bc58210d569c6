/** What the operator pays for gas, and who goes before whom for it. */
import assert from "node:assert/strict";
import { encodeFunctionData } from "viem";
import { rpcError } from "../../../worlds/chain/fake_chain.ts";
import {
  BUMP_AFTER_MS,
  intercept,
  LANE,
  passBlock,
  PAYER,
  SETTLEMENT,
  until,
  withOperator,
} from "../../../worlds/chain/operator_world.ts";
import { estimateGas } from "../../chain/outbox/gas.ts";
import type { KhachapuriError } from "../../errors.ts";
import { RELAYS_OUT_MAX } from "../../limits.ts";

Deno.test("a stuck transaction gets the fee that is paid now and keeps its nonce", async () => {
  await withOperator(async ({ fake, advance, consume, mined }) => {
    fake.isMining = false;
    const sent = consume();
    await until(() => fake.mempool.length === 1);
    fake.tip = 100n;
    passBlock(fake);
    advance(BUMP_AFTER_MS);
    await until(() => fake.mempool.length === 2);
    const [first, second] = fake.mempool;
    assert.equal(first!.nonce, second!.nonce);
    assert.deepEqual([first!.fee, second!.fee], [3n, 102n]);
    await fake.mine();
    assert.equal((await sent).status, "success");
    assert.equal(fake.consumed(PAYER.address, LANE), 1n);
    assert.equal(mined.length, 1);
  });
});

Deno.test("a relay too many is refused before anything is signed, a settlement never", async () => {
  await withOperator(async ({ fake, operator, consumption }) => {
    fake.isMining = false;
    const relay = () => operator.launch(consumption, { rank: "relay", costMax: null });
    const relays = [1, 2, 3, 4, 5, 6].map(relay);
    const outcomes = await Promise.allSettled(relays);
    assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, RELAYS_OUT_MAX);
    await assert.rejects(relay(), { code: "overloaded" });
    await operator.launch(consumption, SETTLEMENT);
    assert.equal(operator.pending(), RELAYS_OUT_MAX + 1);
    await fake.mine();
    await until(() => operator.pending() === 0);
    await relay();
  });
});

Deno.test("what gas is too dear for is not signed, and goes once it is cheap again", async () => {
  await withOperator(async ({ fake, operator, consumption }) => {
    // At a base fee of 1 it costs as many wei as it takes gas.
    const { address: to, abi, functionName, args = [] } = consumption;
    const data = encodeFunctionData({ abi, functionName, args });
    const gas = await estimateGas(fake.chain.public, operator.address, { to, data });
    const sending = { ...SETTLEMENT, costMax: gas - 1n };
    await assert.rejects(operator.send(consumption, sending), (error: KhachapuriError) => {
      assert.equal(error.code, "chain_unavailable");
      assert.equal(error.data.reason, "GasTooDear");
      return true;
    });
    assert.equal(operator.pending(), 0);
    await operator.send(consumption, { ...SETTLEMENT, costMax: gas });
    assert.equal(fake.nonce(), 1);
  });
});

Deno.test("a relay with too low a fee gives way to a settlement, and its sender is told", async () => {
  await withOperator(async ({ fake, operator, consumption, advance }) => {
    fake.isMining = false;
    const { mined } = await operator.launch(consumption, { rank: "relay", costMax: 600_000n });
    mined.catch(() => {});
    fake.tip = 100n;
    passBlock(fake);
    const settled = operator.send(consumption, SETTLEMENT);
    await until(() => fake.mempool.length === 3);
    await fake.mine();
    advance(1);
    assert.equal((await settled).status, "success");
    await assert.rejects(mined, { code: "chain_unavailable", message: /gave way to a settlement/ });
    assert.equal(fake.consumed(PAYER.address, LANE), 1n);
  });
});

Deno.test("a relay that is worth it takes the settlement's fees instead", async () => {
  await withOperator(async ({ fake, operator, consumption }) => {
    fake.isMining = false;
    const { mined } = await operator.launch(consumption, { rank: "relay", costMax: null });
    fake.tip = 100n;
    await operator.launch(consumption, SETTLEMENT);
    await until(() => fake.mempool.length === 3);
    await fake.mine();
    assert.equal((await mined).status, "success");
  });
});

Deno.test("the price of gas is base fee and tip, asked once for all who want it at a time", async () => {
  await withOperator(async ({ fake, operator, advance }) => {
    const asked = intercept(fake, "eth_feeHistory", () => undefined);
    assert.deepEqual(await Promise.all([operator.gasPrice(), operator.gasPrice()]), [2n, 2n]);
    assert.equal(asked.count(), 1);
    advance(10_000);
    fake.intercept = () => Promise.reject(rpcError("down"));
    await assert.rejects(operator.gasPrice(), { code: "chain_unavailable" });
    fake.intercept = null;
    assert.equal(await operator.gasPrice(), 2n);
  });
});
