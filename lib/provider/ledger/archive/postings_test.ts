import assert from "node:assert/strict";
import fc from "fast-check";
import { maskOf, nextBlock, offsetsIn, postingsOf } from "./postings.ts";

const offsets = fc.uniqueArray(fc.integer({ min: 0, max: 32_767 }))
  .map((some) => some.sort((one, other) => one - other));

Deno.test("postings hold which rows are a party's, and the mask which blocks have such rows", () => {
  fc.assert(fc.property(offsets, (some) => {
    const postings = postingsOf(some);
    assert.deepEqual(offsetsIn(postings), some);
    const mask = maskOf(postings, 1_024);
    assert.equal(maskOf(mask, 1_024), mask);
    const blocks = new Set(some.map((offset) => Math.floor(offset / 1_024)));
    const found: number[] = [];
    for (let at = nextBlock(mask, 0); at !== null; at = nextBlock(mask, at + 1)) found.push(at);
    assert.deepEqual(found, [...blocks]);
  }));
});

Deno.test("rows that follow one another take a byte each, and no row none", () => {
  assert.equal(postingsOf([0, 1, 2, 130]).length, 4);
  assert.equal(postingsOf([500]).length, 2);
  assert.equal(postingsOf([]).length, 0);
});
