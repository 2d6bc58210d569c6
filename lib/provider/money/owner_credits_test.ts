import assert from "node:assert/strict";
import type { Address } from "viem";
import { LOW_CREDITS, OWNERS_LOW_MAX } from "../../limits.ts";
import { OwnerCredits } from "./owner_credits.ts";

const owner = (n: number): Address => `0x${n.toString(16).padStart(40, "0")}`;

Deno.test("an owner runs low below the mark, is counted once, and no more once it allowed more", () => {
  const credits = new OwnerCredits();
  credits.note(owner(1), LOW_CREDITS);
  assert.equal(credits.low(), 0);
  credits.note(owner(1), LOW_CREDITS - 1n);
  credits.note(owner(1), 0n);
  credits.note(owner(2), 0n);
  assert.equal(credits.low(), 2);
  credits.note(owner(1), LOW_CREDITS);
  assert.equal(credits.low(), 1);
});

Deno.test("no more owners are remembered than there is room for, and who goes makes room", () => {
  const credits = new OwnerCredits();
  for (let n = 0; n < OWNERS_LOW_MAX + 2; n++) credits.note(owner(n), 0n);
  assert.equal(credits.low(), OWNERS_LOW_MAX);
  credits.note(owner(0), LOW_CREDITS);
  credits.note(owner(OWNERS_LOW_MAX), 0n);
  assert.equal(credits.low(), OWNERS_LOW_MAX);
});
