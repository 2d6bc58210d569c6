/** Many reads as of one block, on a chain with Multicall3's own code and on one without. */
import assert from "node:assert/strict";
import { type Hex, keccak256, numberToHex } from "viem";
import { connect } from "../lib/chain/client.ts";
import { allow, type Allowance, deposit } from "../lib/chain/escrow.ts";
import { escrowCall } from "../lib/chain/escrow_call.ts";
import type { KhachapuriError } from "../lib/errors.ts";
import { mine } from "../worlds/chain/anvil_calls.ts";
import { type CountingRpc, startCountingRpc } from "../worlds/chain/counting_rpc.ts";
import { type EscrowChain, fund, PRICE, startEscrowChain } from "../worlds/chain/escrow_chain.ts";
import { putMulticall3 } from "../worlds/chain/multicall3.ts";

/** All the lanes that a payer may have with one provider. */
const LANES = 1_024;

const lane = (index: number): Hex => keccak256(numberToHex(index));

/** The payer's allowance, free balance and every lane of its: what a provider's view rests on. */
function viewOf({ escrow, accounts: { payer, provider } }: EscrowChain) {
  const parties = [payer.address, provider.address];
  const lanes = Array.from(
    { length: LANES },
    (_, index) => escrowCall(escrow, "consumed", [...parties, lane(index)]),
  );
  const balance = escrowCall(escrow, "balanceOf", [payer.address]);
  return [escrowCall(escrow, "allowance", parties), balance, ...lanes];
}

function assertView(view: unknown[], credits: bigint, balance: bigint): void {
  const [allowance, free, ...lanes] = view;
  assert.deepEqual((allowance as Allowance).credits, credits);
  assert.equal(free, balance);
  assert.deepEqual(lanes, Array(LANES).fill(0n));
}

const methodsOf = ({ requests }: CountingRpc) => requests.map(({ methods }) => methods.join());

Deno.test("a view over 1,024 lanes is one request, of less than a megabyte", async () => {
  await using world = await startEscrowChain();
  await putMulticall3(world.chain);
  await fund(world, world.accounts.payer, 1_000n);
  const before = await world.chain.public.getBlockNumber({ cacheTime: 0 });
  const { chain, escrow, accounts: { payer, provider } } = world;
  const wanted = { provider: provider.address, pricePerCredit: PRICE, credits: 2_000n };
  await allow(chain, payer, escrow, wanted);
  await using rpc = startCountingRpc(world.rpc);
  const counted = await connect(rpc.url);
  assertView(await counted.readMany<unknown>(viewOf(world)), 2_000n, 48_000_000n);
  assert.deepEqual(methodsOf(rpc), ["eth_chainId", "eth_getCode", "eth_call"]);
  const { bytes } = rpc.requests.at(-1)!;
  assert.ok(bytes < 800_000, `${bytes} bytes`);
  rpc.requests.length = 0;
  assertView(await counted.readMany<unknown>(viewOf(world), before), 1_000n, 49_000_000n);
  assert.deepEqual(methodsOf(rpc), ["eth_call"]);
});

Deno.test("without Multicall3 it is a dozen batches as of one block; or single requests", async () => {
  await using world = await startEscrowChain();
  await fund(world, world.accounts.payer, 1_000n);
  await using rpc = startCountingRpc(world.rpc);
  const chain = await connect(rpc.url);
  assertView(await chain.readMany<unknown>(viewOf(world)), 1_000n, 49_000_000n);
  const batches = rpc.requests.filter(({ methods }) => methods[0] === "eth_call");
  assert.deepEqual(batches.map(({ methods }) => methods.length), [...Array(10).fill(100), 26]);
  assert.equal(rpc.requests.length, 14, methodsOf(rpc).join("\n"));
  for (const { bytes } of batches) assert.ok(bytes < 256 * 1_024);
  await using single = startCountingRpc(world.rpc);
  single.takesBatches = false;
  const other = await connect(single.url);
  assertView(await other.readMany<unknown>(viewOf(world)), 1_000n, 49_000_000n);
  assert.equal(single.requests.filter(({ methods }) => methods.length > 1).length, 1);
});

Deno.test("a refusal among many, and no contract, are said in words", async (t) => {
  for (const isThere of [true, false]) {
    await t.step(isThere ? "with Multicall3" : "without", async () => {
      await using world = await startEscrowChain();
      const { chain, escrow, usdc, accounts: { payer, provider } } = world;
      if (isThere) await putMulticall3(chain);
      await deposit(chain, payer, escrow, usdc, 5n);
      const balance = escrowCall(escrow, "balanceOf", [payer.address]);
      const withdraw = escrowCall(escrow, "withdraw", [1_000_000n, provider.address]);
      await assert.rejects(chain.readMany([balance, withdraw]), (error: KhachapuriError) => {
        assert.equal(error.code, "chain_refused");
        assert.match(error.message, /InsufficientBalance: you have 0 USDC free, need 1/);
        return true;
      });
      const nowhere = escrowCall(payer.address, "balanceOf", [payer.address]);
      await assert.rejects(chain.readMany([balance, nowhere]), {
        code: "chain_refused",
        data: { reason: "NoContract" },
      });
      assert.deepEqual(await chain.readMany([balance, balance]), [5n, 5n]);
    });
  }
});

Deno.test("two endpoints of a chain are asked once each, and a block to come is waited for", async () => {
  await using world = await startEscrowChain();
  await putMulticall3(world.chain);
  await fund(world, world.accounts.payer, 1_000n);
  await using one = startCountingRpc(world.rpc);
  await using two = startCountingRpc(world.rpc);
  const chain = await connect([one.url, two.url]);
  assertView(await chain.readMany<unknown>(viewOf(world)), 1_000n, 49_000_000n);
  for (const rpc of [one, two]) {
    assert.deepEqual(methodsOf(rpc), ["eth_chainId", "eth_getCode", "eth_call"]);
  }
  assert.deepEqual(chain.endpoints().map(({ state }) => state), ["up", "up"]);
  const next = await world.chain.public.getBlockNumber({ cacheTime: 0 }) + 1n;
  one.requests.length = 0;
  const [view] = await Promise.all([
    chain.readMany<unknown>(viewOf(world), next),
    mine(world.chain, 1),
  ]);
  assertView(view, 1_000n, 49_000_000n);
  const { escrow, usdc, accounts: { payer } } = world;
  await deposit(chain, payer, escrow, usdc, 7n);
  assert.deepEqual(await chain.readMany(viewOf(world).slice(1, 2)), [49_000_007n]);
});
