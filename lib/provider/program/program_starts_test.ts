import assert from "node:assert/strict";
import type { Address } from "viem";
import {
  OWNER_PROGRAM_STARTS_MAX,
  OWNER_PROGRAM_STARTS_WAITING_MAX,
  PROGRAM_START_WAIT_MS,
  PROGRAM_STARTS_MAX,
  STRANGER_PROGRAM_STARTS_MAX,
} from "../../limits.ts";
import { SETUP_WAIT_MS, SETUPS_MAX } from "../../limits_of_sandboxes.ts";
import { manualClock } from "../../../worlds/clock.ts";
import { aWhile } from "../../../worlds/turns.ts";
import { programStarts, sandboxSetups } from "./program_starts.ts";

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

Deno.test("one owner's many sandboxes are set up after another owner's one", async () => {
  const setups = sandboxSetups(manualClock());
  const ends = await Promise.all(
    Array.from({ length: SETUPS_MAX }, () => setups.take(owner(1))),
  );
  const begun: number[] = [];
  const waiting = [1, 1, 2].map((number) =>
    setups.take(owner(number)).then((end) => {
      begun.push(number);
      return end;
    })
  );
  await aWhile();
  assert.deepEqual(begun, []);
  ends.pop()!();
  await aWhile();
  assert.deepEqual(begun, [2]);
  for (const end of ends) end();
  for (const end of await Promise.all(waiting)) end();
  assert.deepEqual(begun, [2, 1, 1]);
});

Deno.test("a sandbox is set up late or not at all, and nobody's once its callers have gone", async () => {
  const clock = manualClock();
  const setups = sandboxSetups(clock);
  for (let under = 0; under < SETUPS_MAX; under++) await setups.take(owner(under));
  const gone = new AbortController();
  const left = assert.rejects(setups.take(owner(1), gone.signal), /gone/);
  gone.abort(new Error("gone"));
  await left;
  const late = assert.rejects(setups.take(owner(1)), { code: "overloaded", retryAfterSeconds: 2 });
  clock.advance(SETUP_WAIT_MS);
  await late;
  assert.deepEqual([setups.waiting(), clock.pending()], [0, 0]);
});
