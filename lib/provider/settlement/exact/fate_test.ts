/** What became of an authorisation, on a real chain with Circle's own USDC. */
import assert from "node:assert/strict";
import { type Hex, type LocalAccount, pad, parseAbi } from "viem";
import { transferCall } from "../../../chain/transfer_call.ts";
import { usdcDomain } from "../../../chain/usdc.ts";
import { TRANSFER_TYPES, type TransferAuthorization } from "../../../transfer_authorization.ts";
import { mine } from "../../../../worlds/chain/anvil_calls.ts";
import { ACCOUNTS } from "../../../../worlds/chain/people.ts";
import { startUsdcChain, type UsdcChain } from "../../../../worlds/chain/usdc_chain.ts";
import { type FateSources, readFate } from "./fate.ts";

const { payer, provider, stranger, deployer } = ACCOUNTS;
const CANCEL = {
  CancelAuthorization: [
    { name: "authorizer", type: "address" },
    { name: "nonce", type: "bytes32" },
  ],
} as const;
const cancelAbi = parseAbi([
  "function cancelAuthorization(address authorizer, bytes32 nonce, bytes signature)",
]);

const now = () => Math.floor(Date.now() / 1_000);

function authorizationOf(n: number, changes: Partial<TransferAuthorization> = {}) {
  return {
    from: payer.address,
    to: provider.address,
    value: 10n,
    validAfter: 0n,
    validBefore: BigInt(now()) + 3_600n,
    nonce: pad(`0x${n.toString(16)}`) as Hex,
    ...changes,
  };
}

async function take(world: UsdcChain, authorization: TransferAuthorization, by: LocalAccount) {
  const signature = await payer.signTypedData({
    domain: { ...await usdcDomain(world.chain, world.usdc) },
    types: TRANSFER_TYPES,
    primaryType: "TransferWithAuthorization",
    message: { ...authorization },
  });
  await world.chain.send(by, transferCall(world.usdc, authorization, signature));
}

async function cancel({ chain, usdc }: UsdcChain, { from, nonce }: TransferAuthorization) {
  const signature = await payer.signTypedData({
    domain: { ...await usdcDomain(chain, usdc) },
    types: CANCEL,
    primaryType: "CancelAuthorization",
    message: { authorizer: from, nonce },
  });
  const args = [from, nonce, signature];
  const functionName = "cancelAuthorization";
  await chain.send(payer, { address: usdc, abi: cancelAbi, functionName, args });
}

Deno.test("an authorisation's fate is what the chain tells", async (t) => {
  await using world = await startUsdcChain();
  const { chain, usdc } = world;
  await world.mint(payer, 1_000n);
  const fateOf = (
    authorization: TransferAuthorization,
    changes: Partial<FateSources> = {},
    block = 0n,
  ) => readFate({ chain, usdc, now: Date.now(), ...changes }, { authorization, block });

  await t.step("unused, until its time is over by both clocks", async () => {
    const free = authorizationOf(1);
    assert.equal((await fateOf(free)).kind, "unused");
    const { timestamp } = await chain.public.getBlock();
    const over = authorizationOf(1, { validBefore: timestamp });
    const nowMs = Number(timestamp) * 1_000;
    assert.equal((await fateOf(over, { now: nowMs })).kind, "expired");
    assert.equal((await fateOf(over, { now: nowMs - 1 })).kind, "unused");
    const chainIsLate = { ...over, validBefore: timestamp + 1n };
    assert.equal((await fateOf(chainIsLate, { now: nowMs + 5_000 })).kind, "unused");
  });

  await t.step("paid, in whose transaction ever", async () => {
    const one = authorizationOf(2);
    await take(world, one, stranger);
    const block = await chain.public.getBlock();
    const fate = await fateOf(one);
    assert.deepEqual(fate, {
      kind: "paid",
      transaction: block.transactions[0],
      block: { number: block.number, hash: block.hash },
    });
    assert.equal((await fateOf({ ...one, validBefore: 0n })).kind, "paid");
  });

  await t.step("cancelled", async () => {
    const one = authorizationOf(3);
    await cancel(world, one);
    assert.equal((await fateOf(one)).kind, "cancelled");
  });

  await t.step("spent: its nonce went with another transfer", async () => {
    const ours = authorizationOf(4);
    await take(world, { ...ours, to: deployer.address }, payer);
    assert.equal((await fateOf(ours)).kind, "spent");
    const less = authorizationOf(5);
    await take(world, { ...less, value: 9n }, payer);
    assert.equal((await fateOf(less)).kind, "spent");
    assert.equal((await fateOf({ ...less, value: 9n })).kind, "paid");
  });

  await t.step("unknown to an endpoint that lags behind what was heard", async () => {
    const head = await chain.public.getBlockNumber({ cacheTime: 0 });
    const free = authorizationOf(6);
    assert.equal((await fateOf(free, { heard: head })).kind, "unused");
    assert.equal((await fateOf(free, { heard: head + 1n })).kind, "unknown");
    assert.equal((await fateOf(authorizationOf(2), { heard: head + 1n })).kind, "unknown");
  });

  await t.step("found in whichever of many blocks, from shortly before its order on", async () => {
    const [early, late] = [authorizationOf(7), authorizationOf(8)];
    const ordered = await chain.public.getBlockNumber({ cacheTime: 0 });
    await mine(chain, 300);
    await take(world, early, stranger);
    await mine(chain, 800);
    await take(world, late, stranger);
    await mine(chain, 10);
    for (const one of [early, late]) assert.equal((await fateOf(one, {}, ordered)).kind, "paid");
    const head = await chain.public.getBlockNumber({ cacheTime: 0 });
    // An endpoint may have told a later block when it was ordered.
    assert.equal((await fateOf(late, {}, head - 10n + 64n)).kind, "paid");
    assert.equal((await fateOf(early, {}, head)).kind, "unknown");
  });
});
