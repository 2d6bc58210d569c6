import assert from "node:assert/strict";
import type { Address } from "viem";
import {
  OPENING_WAIT_MS,
  OPENINGS_BYTES_MAX,
  OPENINGS_WAITING_MAX,
  PAYING_OPENINGS_BYTES_MAX,
} from "../../limits.ts";
import { Openings } from "./openings.ts";
import { turn } from "../../../worlds/turns.ts";

const owner = (number: number) => `0x${number.toString(16).padStart(40, "0")}` as Address;
const PAYING = owner(99);
const MOST = OPENINGS_BYTES_MAX;

/** Openings on a clock that stands until it is moved on. */
function watched() {
  const timers = new Set<() => void>();
  const clock = {
    now: () => 0,
    after(ms: number, callback: () => void) {
      assert.equal(ms, OPENING_WAIT_MS);
      timers.add(callback);
      return () => void timers.delete(callback);
    },
  };
  const openings = new Openings((one) => one === PAYING, clock);
  /** The order in which what was asked for is granted. */
  const granted: string[] = [];
  const take = (name: string, who: Address, bytes: number) =>
    openings.take(who, bytes).then((opening) => {
      granted.push(name);
      return opening;
    });
  const expire = () => {
    for (const timer of [...timers]) timer();
  };
  return { openings, granted, take, expire, timers };
}

Deno.test("no more memory is out than there is, and what is freed goes to who waits", async () => {
  const { openings, take, granted, timers } = watched();
  const first = await take("first", owner(1), MOST - 10);
  const second = take("second", owner(2), 20);
  await turn();
  assert.deepEqual(granted, ["first"]);
  first.free();
  (await second).free();
  assert.deepEqual([openings.bytes(), timers.size], [0, 0]);
});

Deno.test("the owner with the least in hand is next, not who asked most often", async () => {
  const { take, granted } = watched();
  const hog = await take("hog", owner(1), MOST / 2);
  const other = await take("other", owner(2), MOST / 2);
  take("hog again", owner(1), MOST / 4);
  take("hog and again", owner(1), MOST / 4);
  take("modest", owner(3), MOST / 4);
  other.free();
  await turn();
  assert.deepEqual(granted, ["hog", "other", "modest", "hog again"]);
  hog.free();
  await turn();
  assert.equal(granted.at(-1), "hog and again");
});

Deno.test("a large one is not passed by small ones for ever", async () => {
  const { take, granted } = watched();
  const first = await take("first", owner(1), MOST / 2);
  take("large", owner(2), MOST);
  take("small", owner(3), 1);
  await turn();
  assert.deepEqual(granted, ["first"]);
  first.free();
  await turn();
  assert.deepEqual(granted, ["first", "large"]);
});

Deno.test("owners that were paid here have memory that strangers can't take", async () => {
  const { take, granted } = watched();
  await take("stranger", owner(1), MOST);
  take("waits", owner(2), 1);
  const paying = await take("paying", PAYING, PAYING_OPENINGS_BYTES_MAX);
  take("paying waits", PAYING, 1);
  await turn();
  assert.deepEqual(granted, ["stranger", "paying"]);
  paying.free();
  await turn();
  assert.deepEqual(granted, ["stranger", "paying", "paying waits"]);
});

Deno.test("who waits too long, or behind too many, is told when to come back", async () => {
  const { openings, take, expire } = watched();
  await take("first", owner(1), MOST);
  const waiting = Array.from(
    { length: OPENINGS_WAITING_MAX },
    (_, index) =>
      assert.rejects(openings.take(owner(index), 1), { code: "overloaded", retryAfterSeconds: 5 }),
  );
  await assert.rejects(openings.take(owner(500), 1), { code: "overloaded" });
  expire();
  await Promise.all(waiting);
});
