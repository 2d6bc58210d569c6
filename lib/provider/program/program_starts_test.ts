import assert from "node:assert/strict";
import type { Address } from "viem";
import {
  OWNER_PROGRAM_STARTS_MAX,
  OWNER_PROGRAM_STARTS_WAITING_MAX,
  PROGRAM_START_WAIT_MS,
  PROGRAM_STARTS_MAX,
  STRANGER_PROGRAM_STARTS_MAX,
} from "../../limits.ts";
import { manualClock } from "../../../worlds/clock.ts";
import { aWhile } from "../../../worlds/turns.ts";
import { programStarts } from "./program_starts.ts";

const owner = (number: number) => `0x${number.toString(16).padStart(40, "0")}` as Address;
const PAYING = owner(0xffff);

Deno.test("40 of one owner all have their turn, a few at a time", async () => {
  const starts = programStarts(() => false, manualClock());
  let [under, most, over] = [0, 0, 0];
  await Promise.all(Array.from({ length: 40 }, async () => {
    const end = await starts.take(owner(1));
    most = Math.max(most, ++under);
    await aWhile();
    under -= 1;
    over += 1;
    end();
  }));
  assert.deepEqual([most, over], [OWNER_PROGRAM_STARTS_MAX, 40]);
});

Deno.test("one owner's thousand keep out neither a stranger nor who was paid for here", async () => {
  const clock = manualClock();
  const starts = programStarts((one) => one === PAYING, clock);
  const refused: string[] = [];
  for (let index = 0; index < 1_000; index++) {
    starts.take(owner(1)).catch(({ code }) => refused.push(code));
  }
  await aWhile();
  const kept = OWNER_PROGRAM_STARTS_MAX + OWNER_PROGRAM_STARTS_WAITING_MAX;
  assert.equal(refused.length, 1_000 - kept);
  for (let index = OWNER_PROGRAM_STARTS_MAX; index < STRANGER_PROGRAM_STARTS_MAX; index++) {
    await starts.take(owner(index + 2));
  }
  for (let index = STRANGER_PROGRAM_STARTS_MAX; index < PROGRAM_STARTS_MAX; index++) {
    if (index - STRANGER_PROGRAM_STARTS_MAX < OWNER_PROGRAM_STARTS_MAX) await starts.take(PAYING);
  }
  clock.advance(PROGRAM_START_WAIT_MS);
  await aWhile();
  assert.equal(refused.length, 1_000 - OWNER_PROGRAM_STARTS_MAX);
  assert.equal(clock.pending(), 0);
});
