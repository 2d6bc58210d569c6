/** A follower between two processes, and before endpoints that lag or take little at once. */
import assert from "node:assert/strict";
import type { Address, Hex } from "viem";
import { anvilAccount } from "../../../worlds/chain/anvil.ts";
import {
  FAKE_ESCROW,
  type FakeChain,
  fakeChain,
  rpcError,
} from "../../../worlds/chain/fake_chain.ts";
import { silentLog } from "../../log.ts";
import { Follower, type FollowerOptions } from "./follower.ts";
import type { BlockId } from "./known_blocks.ts";

const PROVIDER = anvilAccount(1).address;

const payer = (n: number): Address => `0x${n.toString(16).padStart(40, "0")}`;

/** Follows `fake`; tells as `payer@block` and `undone>block`, and what was kept. */
async function follow(fake: FakeChain, changes: Partial<FollowerOptions> = {}) {
  const told: string[] = [];
  const kept: BlockId[] = [];
  const clock = { now: 1_000 };
  const follower = new Follower({
    chain: fake.chain,
    escrow: FAKE_ESCROW,
    provider: PROVIDER,
    log: silentLog,
    pollMs: 600_000,
    keep: (block) => Promise.resolve(void kept.push(block)),
    onEvents(events) {
      for (const { args, blockNumber } of events) told.push(`${BigInt(args.payer)}@${blockNumber}`);
      return Promise.resolve();
    },
    onReorg: (block) => Promise.resolve(void told.push(`undone>${block}`)),
    now: () => clock.now,
    ...changes,
  });
  await follower.poll();
  return {
    follower,
    told,
    kept,
    clock,
    async look(): Promise<string[]> {
      const from = told.length;
      await follower.poll();
      return told.slice(from);
    },
    [Symbol.asyncDispose]: () => follower.stop(),
  };
}

async function grow(fake: FakeChain, blocks: number): Promise<void> {
  for (let n = 0; n < blocks; n++) await fake.mine();
}

/** How many requests of each method pass, and an answer in their place. */
function count(
  fake: FakeChain,
  instead: (method: string, params: readonly unknown[]) => unknown = () => undefined,
) {
  const asked: string[] = [];
  fake.intercept = ({ method, params = [] }) => {
    asked.push(method);
    return Promise.resolve().then(() => instead(method, params));
  };
  return asked;
}

Deno.test("a start goes on where the last process stopped, and doubts only what came later", async () => {
  const fake = fakeChain(PROVIDER);
  await grow(fake, 300);
  let last: BlockId;
  {
    await using chain = await follow(fake);
    fake.allow(payer(1), 1n, 1n);
    assert.deepEqual(await chain.look(), ["1@301"]);
    await chain.follower.stop();
    last = chain.kept.at(-1)!;
  }
  assert.equal(last.number, 301n);
  fake.allow(payer(2), 1n, 1n);
  await grow(fake, 20);
  const asked = count(fake);
  await using chain = await follow(fake, { resumeAt: last });
  assert.deepEqual(chain.told, ["undone>301", "2@302"]);
  assert.deepEqual(asked, ["eth_getBlockByNumber", "eth_getBlockByNumber", "eth_getLogs"]);
});

Deno.test("where that block has gone the last ones are in doubt, and what they bring now is read", async () => {
  const fake = fakeChain(PROVIDER);
  await grow(fake, 300);
  const { hash } = await fake.chain.public.getBlock();
  await fake.reorganise(10, false);
  fake.allow(payer(1), 1n, 1n);
  await using chain = await follow(fake, { resumeAt: { number: 300n, hash: hash! } });
  assert.deepEqual(chain.told, ["undone>44", "1@302"]);
});

Deno.test("how far the chain was read is kept every few seconds at most, and at the stop", async () => {
  const fake = fakeChain(PROVIDER);
  await using chain = await follow(fake);
  const numbers = () => chain.kept.map(({ number }) => Number(number));
  assert.deepEqual(numbers(), [0]);
  for (let n = 0; n < 6; n++) {
    chain.clock.now += 1_000;
    await fake.mine();
    await chain.look();
  }
  assert.deepEqual(numbers(), [0, 5]);
  chain.clock.now += 60_000;
  await chain.follower.stop();
  assert.deepEqual(numbers(), [0, 5, 6]);
  await chain.follower.stop();
  assert.deepEqual(numbers(), [0, 5, 6]);
});

Deno.test("what could not be taken in is not kept", async () => {
  const fake = fakeChain(PROVIDER);
  let fails = false;
  await using chain = await follow(fake, {
    onEvents: () => fails ? Promise.reject(new Error("disk full")) : Promise.resolve(),
  });
  fails = true;
  chain.clock.now += 60_000;
  await fake.mine();
  await chain.look();
  await chain.follower.stop();
  assert.deepEqual(chain.kept.map(({ number }) => number), [0n]);
});

Deno.test("an endpoint that refuses a range is asked for smaller ones, and one that is busy is not", async () => {
  const fake = fakeChain(PROVIDER);
  await using chain = await follow(fake);
  await grow(fake, 400);
  fake.allow(payer(1), 1n, 1n);
  const widths: number[] = [];
  let says = "query exceeds max block range 100";
  count(fake, (method, [filter]) => {
    if (method !== "eth_getLogs") return undefined;
    const { fromBlock, toBlock } = filter as { fromBlock: Hex; toBlock: Hex };
    widths.push(Number(toBlock) - Number(fromBlock) + 1);
    if (widths.at(-1)! > 100) throw rpcError(says);
  });
  assert.deepEqual(await chain.look(), ["1@401"]);
  assert.deepEqual(widths.slice(0, 4), [401, 200, 100, 100]);
  // It is remembered.
  await grow(fake, 150);
  widths.length = 0;
  await chain.look();
  assert.ok(widths.every((width) => width <= 100), widths.join());
  says = "rate limit exceeded";
  await using other = await follow(fake, {
    resumeAt: { number: 0n, hash: (await fake.chain.public.getBlock({ blockNumber: 0n })).hash! },
  });
  assert.deepEqual([other.told, other.follower.isCurrent()], [["undone>0"], false]);
});

Deno.test("a look at one new block takes two requests, at none one", async () => {
  const fake = fakeChain(PROVIDER);
  await using chain = await follow(fake);
  await fake.mine();
  const asked = count(fake);
  await chain.look();
  assert.deepEqual(asked, ["eth_getBlockByNumber", "eth_getLogs"]);
  await chain.look();
  assert.equal(asked.length, 3);
});

Deno.test("events that a lagging replica left out are told by the next look", async () => {
  const fake = fakeChain(PROVIDER);
  await using chain = await follow(fake);
  fake.allow(payer(1), 1n, 1n);
  count(fake, (method) => method === "eth_getLogs" ? [] : undefined);
  assert.deepEqual(await chain.look(), []);
  fake.intercept = null;
  await fake.mine();
  assert.deepEqual(await chain.look(), ["1@1"]);
  await fake.mine();
  assert.deepEqual(await chain.look(), []);
});

Deno.test("a replica that is behind undoes nothing, and is not heard of", async () => {
  const fake = fakeChain(PROVIDER);
  await grow(fake, 3);
  await using chain = await follow(fake);
  await grow(fake, 3);
  await chain.look();
  const behind = () =>
    count(fake, (method, [tag]) => {
      if (method !== "eth_getBlockByNumber" || tag !== "latest") return undefined;
      return fake.chain.public.request({ method, params: ["0x4", false] } as never);
    });
  for (let turn = 0; turn < 5; turn++) {
    chain.clock.now += 20_000;
    behind();
    assert.deepEqual(await chain.look(), []);
    assert.equal(chain.follower.ageMs(), 20_000);
    fake.intercept = null;
    await chain.look();
    assert.equal(chain.follower.ageMs(), 0);
  }
  behind();
  await chain.look();
  chain.clock.now += 30_000;
  assert.deepEqual(await chain.look(), ["undone>3"]);
});

Deno.test("deadlines go by the later clock", async () => {
  const fake = fakeChain(PROVIDER);
  fake.now = 500n;
  await using chain = await follow(fake);
  await fake.mine();
  await chain.look();
  assert.equal(chain.follower.laterNow(), 500_000);
  chain.clock.now = 600_000;
  assert.equal(chain.follower.laterNow(), 600_000);
});
