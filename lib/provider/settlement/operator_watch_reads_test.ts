/** How often the chain is asked what the operator may settle. */
import assert from "node:assert/strict";
import { getAddress } from "viem";
import { FAKE_ESCROW, fakeChain } from "../../../worlds/chain/fake_chain.ts";
import { NEVER } from "../../chain/escrow_provider.ts";
import { OperatorWatch } from "./operator_watch.ts";

const PROVIDER = getAddress(`0x${"aa".repeat(20)}`);
const OPERATOR = getAddress(`0x${"bb".repeat(20)}`);

/** A watch, and how often it read the newest block. */
function counted(operator = OPERATOR) {
  const fake = fakeChain(PROVIDER);
  const world = { now: 1_000_000, reads: 0 };
  const { chain } = fake;
  const watch = new OperatorWatch({
    chain: {
      ...chain,
      public: {
        ...chain.public,
        getBlock: () => {
          world.reads += 1;
          return chain.public.getBlock();
        },
      } as unknown as typeof chain.public,
    },
    escrow: FAKE_ESCROW,
    provider: PROVIDER,
    operator,
    now: () => world.now,
  });
  return { fake, watch, world };
}

Deno.test("who asks before anybody has looked has it read", () => {
  const { watch, world } = counted();
  assert.equal(watch.limits(), null);
  assert.equal(world.reads, 1);
});

Deno.test("limits that were read just now are not read again", async () => {
  const { fake, watch, world } = counted();
  fake.limitOperator({ expiry: NEVER, dailyCap: 7n, spent: 2n });
  await watch.look();
  for (let time = 0; time < 3; time++) watch.limits();
  assert.equal(world.reads, 1);
});

Deno.test("looks at the same time are one", async () => {
  const { watch, world } = counted();
  await Promise.all([watch.look(), watch.look()]);
  assert.equal(world.reads, 1);
  await watch.look();
  assert.equal(world.reads, 2);
});

Deno.test("for the provider itself nothing is read", async () => {
  const { watch, world } = counted(PROVIDER);
  await watch.look();
  assert.equal(world.reads, 0);
});

Deno.test("the smallest cap is one", async () => {
  const { fake, watch } = counted();
  fake.limitOperator({ expiry: NEVER, dailyCap: 1n, spent: 0n });
  await watch.look();
  assert.equal(watch.limits()?.dailyCap, 1n);
});

Deno.test("batches on their way at the same time are counted together", async () => {
  const { fake, watch } = counted();
  fake.limitOperator({ expiry: NEVER, dailyCap: 9n, spent: 1n });
  await watch.look();
  const first = watch.expect(3n);
  const second = watch.expect(2n);
  assert.equal(watch.limits()?.spent, 6n);
  first();
  assert.equal(watch.limits()?.spent, 3n);
  second();
  assert.equal(watch.limits()?.spent, 1n);
});
