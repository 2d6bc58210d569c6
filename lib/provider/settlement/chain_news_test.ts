import assert from "node:assert/strict";
import { ChainNews } from "./chain_news.ts";
import type { BlockId } from "./known_blocks.ts";

Deno.test("blocks that the books rest on before the chain is followed are not forgotten", () => {
  const noted: BlockId[] = [];
  const news = new ChainNews();
  const block = (number: bigint): BlockId => ({ number, hash: `0x${number}` });
  news.note(block(1n));
  news.note(block(2n));
  news.from({
    note: (block) => void noted.push(block),
    laterNow: () => 0,
    isStandingStill: () => false,
    finalBlock: () => 0n,
  });
  news.note(block(3n));
  assert.deepEqual(noted.map(({ number }) => number), [1n, 2n, 3n]);
});
