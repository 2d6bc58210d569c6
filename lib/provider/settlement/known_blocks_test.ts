/** What of a chain has gone, as endpoints tell it that stand on different blocks of it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Hex } from "viem";
import { type HeadBlock, KnownBlocks } from "./known_blocks.ts";

/** A chain as forks of one another: the name of each block's fork, by number. */
class Chain {
  constructor(readonly forks: readonly string[]) {}

  static of(text: string): Chain {
    return new Chain([...text]);
  }

  hash(block: number): Hex {
    return `0x${this.forks.slice(0, block + 1).join("")}`;
  }

  head(block = this.forks.length - 1): HeadBlock {
    const parentHash = this.hash(block - 1);
    return { number: BigInt(block), hash: this.hash(block), parentHash, timestamp: 0n };
  }
}

/** Knows what was seen of `chain`, and is answered by an endpoint that has come to `upTo` of it. */
function open(chain: Chain, seen: readonly number[]) {
  const world = { now: 0, chain, upTo: Infinity, asked: 0 };
  const blocks = new KnownBlocks((block) => {
    world.asked += 1;
    const isThere = block <= world.upTo && Number(block) < world.chain.forks.length;
    return Promise.resolve(isThere ? world.chain.hash(Number(block)) : null);
  }, () => world.now);
  for (const block of seen) blocks.see(chain.head(block));
  return { world, blocks };
}

Deno.test("the next block tells by its parent that nothing has gone", async () => {
  const { world, blocks } = open(Chain.of("aaaa"), [3]);
  world.chain = Chain.of("aaaaa");
  assert.equal(await blocks.compare(world.chain.head()), "continues");
  assert.equal(world.asked, 0);
  world.chain = Chain.of("aaaaaaa");
  assert.equal(await blocks.compare(world.chain.head()), "continues");
  assert.equal(world.asked, 1);
});

Deno.test("another hash at a number is a fork from the highest block in common", async () => {
  const { world, blocks } = open(Chain.of("aaaaaa"), [1, 3, 5]);
  world.chain = Chain.of("aaaabbb");
  assert.deepEqual(await blocks.compare(world.chain.head()), { undoneAbove: 3n });
  // Until somebody has taken it back.
  assert.deepEqual(await blocks.compare(world.chain.head()), { undoneAbove: 3n });
  blocks.takenBack();
  assert.equal(await blocks.compare(world.chain.head()), "continues");
});

Deno.test("a head that is lower is not there yet, however often replicas take turns", async () => {
  const { world, blocks } = open(Chain.of("aaaaaa"), [2, 5]);
  for (let turn = 0; turn < 50; turn++) {
    world.now += 20_000;
    assert.equal(await blocks.compare(world.chain.head(4)), "behind");
    assert.ok(blocks.behindMs() < 30_000);
    world.now += 9_000;
    assert.equal(await blocks.compare(world.chain.head(5)), "continues");
    assert.equal(blocks.behindMs(), 0);
  }
});

Deno.test("a chain that stays shorter has lost its end", async () => {
  const { world, blocks } = open(Chain.of("aaaaaa"), [2, 3, 5]);
  world.chain = Chain.of("aaaa");
  assert.equal(await blocks.compare(world.chain.head()), "behind");
  world.now += 29_999;
  assert.equal(await blocks.compare(world.chain.head()), "behind");
  world.now += 1;
  assert.deepEqual(await blocks.compare(world.chain.head()), { undoneAbove: 3n });
});

Deno.test("a shorter chain of another fork is no lagging one", async () => {
  const { world, blocks } = open(Chain.of("aaaaaa"), [2, 4, 5]);
  world.chain = Chain.of("aaabb");
  assert.deepEqual(await blocks.compare(world.chain.head()), { undoneAbove: 2n });
});

Deno.test("a block that the endpoint does not know tells nothing, and is asked for again", async () => {
  const { world, blocks } = open(Chain.of("aaaaaa"), [3, 5]);
  world.chain = Chain.of("aaaaaaaaa");
  world.upTo = 4;
  await assert.rejects(blocks.compare(world.chain.head()), /does not know block 5 yet/);
  world.upTo = Infinity;
  assert.equal(await blocks.compare(world.chain.head()), "continues");
});

Deno.test("a noted block is missed when it goes, minded while it is not there, and then let go", async () => {
  const { world, blocks } = open(Chain.of("aaaa"), [3]);
  blocks.note(Chain.of("aaabb").head());
  world.upTo = 3;
  assert.equal(await blocks.compare(world.chain.head(3)), "continues");
  world.chain = Chain.of("aaaaaaa");
  assert.equal(await blocks.compare(world.chain.head(3)), "continues");
  world.upTo = Infinity;
  assert.deepEqual(await blocks.compare(world.chain.head()), { undoneAbove: 3n });
  blocks.takenBack();
  assert.equal(await blocks.compare(world.chain.head()), "continues");
});

Deno.test("whatever replicas answer, what has gone is told in the end and nothing else is", async () => {
  const turn = fc.record({
    grows: fc.nat(3),
    undoes: fc.constantFrom(0, 0, 0, 1, 2),
    lag: fc.constantFrom(0, 0, 1, 3),
    unknown: fc.constantFrom(0, 0, 2),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(turn, { minLength: 1, maxLength: 30, size: "max" }),
      async (turns) => {
        const { world, blocks } = open(Chain.of("aaaa"), [3]);
        /** What we followed, by number; what was undone is taken back at once. */
        const followed = new Map([[3, world.chain.hash(3)]]);
        const look = async (lag: number, unknown: number) => {
          const top = world.chain.forks.length - 1;
          world.upTo = top - unknown;
          const latest = world.chain.head(Math.max(1, top - lag));
          const found = await blocks.compare(latest).catch(() => "later" as const);
          if (found === "later" || found === "behind") return;
          if (found !== "continues") {
            const gone = [...followed].filter(([block, hash]) => world.chain.hash(block) !== hash);
            const lost = [...followed.keys()].filter((block) => block > latest.number);
            assert.ok(gone.length > 0 || lost.length > 0, "nothing has gone");
            for (const [block] of gone) assert.ok(BigInt(block) > found.undoneAbove);
            for (const block of followed.keys()) {
              if (BigInt(block) > found.undoneAbove) followed.delete(block);
            }
            blocks.takenBack();
          }
          blocks.see(latest);
          followed.set(Number(latest.number), latest.hash);
        };
        for (const [index, { grows, undoes, lag, unknown }] of turns.entries()) {
          const kept = world.chain.forks.slice(0, Math.max(2, world.chain.forks.length - undoes));
          const name = undoes > 0 ? String(index % 10) : kept.at(-1)!;
          world.chain = new Chain([...kept, ...Array(grows + undoes).fill(name)]);
          world.now += 2_000;
          await look(lag, unknown);
        }
        await look(0, 0);
        for (const [block, hash] of followed) assert.equal(world.chain.hash(block), hash);
      },
    ),
    { numRuns: 300 },
  );
});
