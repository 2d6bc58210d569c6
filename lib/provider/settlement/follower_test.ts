/** The follower of the escrow's events, on the chain in memory. */
import assert from "node:assert/strict";
import { mock } from "node:test";
import { type Address, type Hex, pad } from "viem";
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
const POLL_MS = 600_000;

type Request = Parameters<NonNullable<FakeChain["intercept"]>>[0];
type Range = [from: number, to: number];

interface Filter {
  address: Address;
  topics: unknown[];
  fromBlock: Hex;
  toBlock: Hex;
}

const payer = (n: number): Address => `0x${n.toString(16).padStart(40, "0")}`;

/**
 * Follows a chain of `blocks` blocks and has looked once. What it tells is kept in order: an event
 * as `payer@block`, a reorganisation as `undone>block`.
 */
async function follow(blocks = 0, changes: Partial<FollowerOptions> = {}) {
  const fake = fakeChain(PROVIDER);
  await grow(fake, blocks);
  const told: string[] = [];
  const clock = { now: 1_000 };
  const follower = new Follower({
    chain: fake.chain,
    escrow: FAKE_ESCROW,
    provider: PROVIDER,
    log: silentLog,
    pollMs: POLL_MS,
    onEvents(events) {
      for (const { args, blockNumber } of events) told.push(`${BigInt(args.payer)}@${blockNumber}`);
      return Promise.resolve();
    },
    onReorg: (block) => Promise.resolve(void told.push(`undone>${block}`)),
    onResume: () => Promise.reject(new Error("nobody was here before")),
    now: () => clock.now,
    ...changes,
  });
  await follower.poll();
  return {
    fake,
    follower,
    told,
    clock,
    /** The allowance of a payer changes; in a block of its own. */
    allow: (n: number) => fake.allow(payer(n), 1n, 1n),
    /** What is told from here on while the follower looks once. */
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

/** The block at `number` as the chain has it now. */
async function blockAt(fake: FakeChain, number: bigint): Promise<BlockId> {
  const { hash } = await fake.chain.public.getBlock({ blockNumber: number });
  return { number, hash: hash! };
}

/** Listens to the ranges that are asked for; `answer` may fail one by throwing. */
function rangesOf(fake: FakeChain, answer: (range: Range) => unknown = () => {}) {
  const ranges: Range[] = [];
  fake.intercept = ({ method, params }: Request) => {
    if (method !== "eth_getLogs") return Promise.resolve(undefined);
    const [{ address, topics, fromBlock, toBlock }] = params as [Filter];
    // Of whoever pays; about this provider alone.
    assert.deepEqual([address, ...topics.slice(1)], [FAKE_ESCROW, null, pad(PROVIDER)]);
    ranges.push([Number(fromBlock), Number(toBlock)]);
    return Promise.resolve().then(() => answer(ranges.at(-1)!));
  };
  return ranges;
}

Deno.test("a follower starts at the present block, and what others saw of the last ones is in doubt", async () => {
  await using young = await follow(3);
  assert.deepEqual(young.told, ["undone>0"]);
  await using old = await follow(300);
  assert.deepEqual(old.told, ["undone>44"]);
  old.allow(7);
  assert.deepEqual(await old.look(), ["7@301"]);
});

Deno.test("events are told in the order of their blocks, once", async () => {
  await using chain = await follow();
  const { allow, look, fake } = chain;
  for (const n of [3, 1, 2]) allow(n);
  assert.deepEqual(await look(), ["3@1", "1@2", "2@3"]);
  assert.deepEqual(await look(), []);
  fake.revoke(payer(1), 1n);
  fake.reclaim(payer(1));
  assert.deepEqual(await look(), ["1@4", "1@5"]);
  allow(9);
  await Promise.all([chain.follower.poll(), chain.follower.poll()]);
  assert.deepEqual(chain.told.filter((each) => each.startsWith("9@")), ["9@6"]);
});

Deno.test("no more than 1,000 blocks are asked for at once, the last few once more", async () => {
  await using chain = await follow(5);
  const { fake, allow, look } = chain;
  allow(1);
  await grow(fake, 998);
  allow(2);
  allow(3);
  await grow(fake, 1_500);
  allow(4);
  const ranges = rangesOf(fake);
  assert.deepEqual(await look(), ["1@6", "2@1005", "3@1006", "4@2507"]);
  assert.deepEqual(ranges, [[6, 1005], [998, 1997], [1990, 2507]]);
});

Deno.test("an endpoint that fails in the middle goes on where it was", async () => {
  await using chain = await follow();
  const { fake, allow, look } = chain;
  allow(1);
  await grow(fake, 1_500);
  allow(2);
  let fails = true;
  const ranges = rangesOf(fake, ([, to]) => {
    if (to > 1_000 && fails) throw rpcError("try again later");
  });
  assert.deepEqual(await look(), ["1@1"]);
  fails = false;
  assert.deepEqual(await look(), ["2@1502"]);
  assert.deepEqual(ranges, [[1, 1000], [993, 1502], [993, 1502]]);
});

Deno.test("events that could not be taken in are told again", async () => {
  const heard: unknown[] = [];
  await using chain = await follow(0, {
    onEvents(events) {
      if (events.length === 0) return Promise.resolve();
      heard.push(events.map(({ blockNumber }) => blockNumber));
      return heard.length === 1 ? Promise.reject(new Error("disk full")) : Promise.resolve();
    },
  });
  chain.allow(1);
  for (const _ of [1, 2, 3]) {
    await chain.look();
    await chain.fake.mine();
  }
  assert.deepEqual(heard, [[1n], [1n]]);
});

Deno.test("a reorganisation tells the last block in common, once, and what stands above it now", async () => {
  await using chain = await follow();
  const { fake, allow, look, follower } = chain;
  for (const n of [1, 2, 3, 4]) {
    allow(n);
    await look();
  }
  await fake.reorganise(2, false);
  allow(9);
  assert.deepEqual(await look(), ["undone>2", "9@6"]);
  assert.deepEqual(await look(), []);
  // Of blocks that were not looked at one by one, an earlier one is told.
  allow(5);
  allow(6);
  await follower.poll();
  await fake.reorganise(1, false);
  assert.deepEqual(await look(), ["undone>6", "5@7"]);
});

Deno.test("a chain of which nothing is left is in doubt as far as a reorganisation reaches", async () => {
  await using chain = await follow(400);
  const { fake, look, allow } = chain;
  allow(1);
  await look();
  await fake.reorganise(10, false);
  assert.deepEqual(await look(), ["undone>145"]);
});

Deno.test("a reorganisation that could not be taken in is told again", async () => {
  let fails = true;
  const undone: bigint[] = [];
  await using chain = await follow(0, {
    onReorg(block) {
      undone.push(block);
      return fails ? Promise.reject(new Error("disk full")) : Promise.resolve();
    },
  });
  const { fake, look, allow, told, follower } = chain;
  assert.deepEqual([undone, told], [[0n], []], "it has not begun");
  assert.deepEqual([follower.ageMs(), follower.isCurrent()], [Infinity, false]);
  fails = false;
  await look();
  allow(2);
  await look();
  fails = true;
  undone.length = 0;
  await fake.reorganise(1, false);
  await look();
  // The fork grows meanwhile.
  await fake.mine();
  fails = false;
  await look();
  await look();
  assert.deepEqual(undone, [0n, 0n]);
});

Deno.test("an endpoint that fails while it is asked how far the chain went does not hide it", async () => {
  await using chain = await follow();
  const { fake, look, allow } = chain;
  for (const n of [1, 2]) {
    allow(n);
    await look();
  }
  await fake.reorganise(1, false);
  let asked = 0;
  fake.intercept = ({ method, params }) => {
    const isOne = method === "eth_getBlockByNumber" && params![0] !== "latest";
    if (isOne && ++asked === 1) return Promise.reject(rpcError("down"));
    return Promise.resolve(undefined);
  };
  assert.deepEqual(await look(), []);
  assert.deepEqual(await look(), ["undone>1"]);
});

Deno.test("a block that the books rest on is missed when it goes, though no look had seen it", async () => {
  await using chain = await follow(3);
  const { fake, look, follower } = chain;
  await fake.mine();
  follower.note(await blockAt(fake, 4n));
  assert.deepEqual(await look(), [], "it is still there");
  await fake.mine();
  follower.note(await blockAt(fake, 5n));
  await fake.reorganise(1, false);
  follower.note(await blockAt(fake, 5n));
  await fake.reorganise(1, false);
  assert.deepEqual(await look(), ["undone>4"]);
  assert.deepEqual(await look(), []);
});

Deno.test("of several blocks that went, the lowest is told", async () => {
  await using chain = await follow(9);
  const { look, follower } = chain;
  // As an endpoint had them that stood on another fork.
  const elsewhere = (n: number): BlockId => ({ number: BigInt(n), hash: payer(n) });
  for (const n of [7, 5, 12, 6]) follower.note(elsewhere(n));
  assert.deepEqual(await look(), ["undone>4"]);
  assert.deepEqual(await look(), []);
});

Deno.test("a block that the endpoint has not come to yet is minded until it has", async () => {
  await using chain = await follow(3);
  const { fake, look, follower } = chain;
  await fake.mine();
  follower.note(await blockAt(fake, 4n));
  fake.intercept = ({ method, params }) => {
    if (params?.[0] !== "latest") return Promise.resolve(undefined);
    return fake.chain.public.request({ method, params: ["0x3", false] } as never);
  };
  assert.deepEqual(await look(), []);
  fake.intercept = null;
  await fake.reorganise(1, false);
  assert.deepEqual(await look(), ["undone>3"]);
});

Deno.test("what was told or noted just before an endpoint failed is missed too when it goes", async () => {
  await using chain = await follow();
  const { fake, look, allow, follower } = chain;
  const fail = () =>
    void rangesOf(fake, () => {
      throw rpcError("try again later");
    });
  await fake.mine();
  follower.note(await blockAt(fake, 1n));
  fail();
  assert.deepEqual(await look(), []);
  fake.intercept = null;
  await fake.reorganise(1, false);
  assert.deepEqual(await look(), ["undone>0"]);
  await grow(fake, 997);
  allow(1);
  await grow(fake, 4);
  rangesOf(fake, ([, to]) => {
    if (to > 1_000) throw rpcError("try again later");
  });
  assert.deepEqual(await look(), ["1@1000"]);
  fake.intercept = null;
  await fake.reorganise(5, false);
  assert.deepEqual(await look(), ["undone>2"]);
});

Deno.test("an endpoint that fails after a reorganisation keeps nothing of the new chain back", async () => {
  await using chain = await follow();
  const { fake, look, allow } = chain;
  for (const n of [1, 2, 3]) {
    allow(n);
    await look();
  }
  // Shorter than the one before.
  const fork = fakeChain(PROVIDER);
  await fork.reorganise(0, false);
  fork.allow(payer(4), 1n, 1n);
  let fails = true;
  fake.intercept = ({ method, params }) => {
    if (method === "eth_getLogs" && fails) return Promise.reject(rpcError("try again later"));
    return fork.chain.public.request({ method, params } as never);
  };
  assert.deepEqual(await look(), ["undone>0"]);
  fails = false;
  assert.deepEqual(await look(), ["4@2"]);
});

Deno.test("the chain was heard of when it last answered, and that is current for three looks", async () => {
  await using chain = await follow();
  const { fake, follower, clock, look } = chain;
  assert.equal(follower.ageMs(), 0);
  clock.now += 3 * POLL_MS;
  assert.deepEqual([follower.ageMs(), follower.isCurrent()], [3 * POLL_MS, true]);
  clock.now += 1;
  assert.ok(!follower.isCurrent());
  fake.intercept = () => Promise.reject(rpcError("down"));
  await look();
  assert.equal(follower.ageMs(), 3 * POLL_MS + 1);
  fake.intercept = null;
  await look();
  assert.deepEqual([follower.ageMs(), follower.isCurrent()], [0, true]);
});

Deno.test("a follower looks every so often, also after a look that failed, until it is stopped", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  using _ = { [Symbol.dispose]: () => mock.timers.reset() };
  let heard = Promise.withResolvers<bigint>();
  await using chain = await follow(0, {
    pollMs: 2_000,
    onEvents: ([event]) => Promise.resolve(event && heard.resolve(event.blockNumber)),
  });
  const { fake, follower } = chain;
  let asked = 0;
  const count = (answer: Promise<void>) => () => {
    asked += 1;
    return answer;
  };
  fake.intercept = count(Promise.reject(rpcError("down")));
  await tick(2_000);
  assert.equal(asked, 1);
  fake.intercept = null;
  for (const block of [1n, 2n]) {
    chain.allow(1);
    await tick(2_000);
    assert.equal(await heard.promise, block);
    heard = Promise.withResolvers();
    await tick(0);
  }
  const goesOn = Promise.withResolvers<void>();
  fake.intercept = count(goesOn.promise);
  await tick(1_999);
  assert.equal(asked, 1);
  await tick(1);
  const stopped = follower.stop();
  goesOn.reject(rpcError("down"));
  await stopped;
  const idle = await follow(0, { pollMs: 2_000 });
  await idle.follower.stop();
  idle.fake.intercept = fake.intercept;
  await tick(60_000);
  assert.equal(asked, 2);
});

/** Time passes, and what is ready to happen has happened. */
async function tick(ms: number): Promise<void> {
  mock.timers.tick(ms);
  await new Promise((resolve) => setImmediate(resolve));
}

Deno.test("stopping waits for the look that is under way", async () => {
  await using chain = await follow();
  const { fake, follower, told, allow } = chain;
  allow(1);
  const goesOn = Promise.withResolvers<void>();
  rangesOf(fake, () => goesOn.promise);
  follower.poll();
  const stopped = follower.stop().then(() => told.length);
  goesOn.resolve();
  assert.equal(await stopped, 2);
});
