import assert from "node:assert/strict";
import { getAddress } from "viem";
import { FAKE_ESCROW, fakeChain } from "../../../worlds/chain/fake_chain.ts";
import { NEVER } from "../../chain/escrow_provider.ts";
import { OperatorWatch } from "./operator_watch.ts";

const PROVIDER = getAddress(`0x${"aa".repeat(20)}`);
const OPERATOR = getAddress(`0x${"bb".repeat(20)}`);

function watchOf(operator = OPERATOR, now: () => number = () => 0) {
  const fake = fakeChain(PROVIDER);
  const watch = new OperatorWatch({
    chain: fake.chain,
    escrow: FAKE_ESCROW,
    provider: PROVIDER,
    operator,
    now,
  });
  return { fake, watch };
}

Deno.test("an operator that never expires and has no cap has no limits", async () => {
  const { watch } = watchOf();
  await watch.look();
  assert.equal(watch.limits(), null);
});

Deno.test("a cap or an expiry is a limit, as of the block that told it, until it is lifted", async () => {
  const { fake, watch } = watchOf();
  fake.limitOperator({ expiry: NEVER, dailyCap: 7n, spent: 2n });
  assert.equal(watch.limits(), null, "nobody looked yet");
  await watch.look();
  assert.deepEqual(watch.limits(), { expiry: NEVER, dailyCap: 7n, spent: 2n, day: 0n });
  fake.limitOperator({ expiry: 9n, dailyCap: 0n, spent: 0n });
  await watch.look();
  assert.deepEqual(watch.limits(), { expiry: 9n, dailyCap: 0n, spent: 0n, day: 0n });
  fake.limitOperator({ expiry: NEVER, dailyCap: 0n, spent: 0n });
  await watch.look();
  assert.equal(watch.limits(), null);
});

Deno.test("the provider's own key is never asked about", async () => {
  const { fake, watch } = watchOf(PROVIDER);
  fake.intercept = () => Promise.reject(new Error("nobody asks"));
  await watch.look();
  assert.equal(watch.limits(), null);
});

Deno.test("while the chain does not answer, what it said last holds", async () => {
  const { fake, watch } = watchOf();
  fake.limitOperator({ expiry: NEVER, dailyCap: 7n, spent: 2n });
  await watch.look();
  fake.intercept = () => Promise.reject(new Error("down"));
  await watch.look();
  assert.equal(watch.limits()?.dailyCap, 7n);
});

Deno.test("what a batch on its way will spend counts at once, until the chain was asked", async () => {
  const { fake, watch } = watchOf();
  fake.limitOperator({ expiry: NEVER, dailyCap: 7n, spent: 2n });
  await watch.look();
  const told = watch.expect(3n);
  assert.equal(watch.limits()?.spent, 5n);
  await watch.look();
  assert.equal(watch.limits()?.spent, 5n, "another look does not know of the batch yet");
  told();
  assert.equal(watch.limits()?.spent, 2n);
});

Deno.test("limits that bind are read anew when they are asked for, every other second", async () => {
  let nowMs = 0;
  const { fake, watch } = watchOf(OPERATOR, () => nowMs);
  fake.limitOperator({ expiry: 9n, dailyCap: 0n, spent: 0n });
  await watch.look();
  fake.limitOperator({ expiry: NEVER, dailyCap: 0n, spent: 0n });
  nowMs = 2_000;
  assert.equal(watch.limits()?.expiry, 9n);
  await turn();
  assert.equal(watch.limits()?.expiry, 9n, "they are not that old");
  nowMs = 2_001;
  watch.limits();
  await turn();
  assert.equal(watch.limits(), null);
});

Deno.test("until the chain has told, it is asked again", async () => {
  let nowMs = 0;
  const { fake, watch } = watchOf(OPERATOR, () => nowMs);
  fake.limitOperator({ expiry: 9n, dailyCap: 0n, spent: 0n });
  fake.intercept = () => Promise.reject(new Error("down"));
  await watch.look();
  fake.intercept = null;
  nowMs = 2_001;
  assert.equal(watch.limits(), null);
  await turn();
  assert.equal(watch.limits()?.expiry, 9n);
});

/** What was asked of the chain in memory has been answered. */
async function turn(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

Deno.test("what was read a moment ago holds, and is not read again at first", async () => {
  const fake = fakeChain(PROVIDER);
  const read = { expiry: 9n, dailyCap: 7n, spent: 2n, timestamp: 86_400n };
  const at = { chain: fake.chain, escrow: FAKE_ESCROW, provider: PROVIDER, operator: OPERATOR };
  const watch = new OperatorWatch({ ...at, read, now: () => 0 });
  fake.intercept = () => Promise.reject(new Error("nobody asks"));
  await watch.first();
  assert.deepEqual(watch.limits(), { expiry: 9n, dailyCap: 7n, spent: 2n, day: 1n });
  const unbound = { expiry: NEVER, dailyCap: 0n, spent: 0n, timestamp: 0n };
  assert.equal(new OperatorWatch({ ...at, read: unbound, now: () => 0 }).limits(), null);
});
