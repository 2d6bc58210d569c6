import assert from "node:assert/strict";
import type { Address } from "viem";
import {
  KEY_REPLAYS_BURST_MAX,
  KEY_REPLAYS_PER_SECOND_MAX,
  PAYER_REPLAYS_BURST_MAX,
  PAYER_REPLAYS_PER_SECOND_MAX,
} from "../../limits.ts";
import { Replays } from "./replays.ts";

const ANNA: Address = `0x${"aa".repeat(20)}`;
const BERT: Address = `0x${"bb".repeat(20)}`;

Deno.test("one answer is given again a few times at once, and then seldom", () => {
  let now = 0;
  const replays = new Replays(() => now);
  for (let i = 0; i < KEY_REPLAYS_BURST_MAX; i++) replays.admit("one", ANNA);
  const isLimited = {
    code: "rate_limited",
    message: "this answer was given again too often",
    retryAfterSeconds: Math.ceil(1 / KEY_REPLAYS_PER_SECOND_MAX),
  };
  for (const _ of [1, 2]) assert.throws(() => replays.admit("one", ANNA), isLimited);
  replays.admit("two", ANNA);
  now += 1_000 / KEY_REPLAYS_PER_SECOND_MAX;
  replays.admit("one", ANNA);
  assert.throws(() => replays.admit("one", ANNA), isLimited);
});

Deno.test("one payer's answers are given again so often, whatever their keys, and another's too", () => {
  let now = 0;
  const replays = new Replays(() => now);
  for (let i = 0; i < PAYER_REPLAYS_BURST_MAX; i++) replays.admit(`key ${i}`, ANNA);
  const isLimited = { code: "rate_limited", message: /^this payer's answers were given again/ };
  // A key that was not let through by its payer's limit has not used its own.
  for (let i = 0; i < 2 * KEY_REPLAYS_BURST_MAX; i++) {
    assert.throws(() => replays.admit("more", ANNA), isLimited);
  }
  replays.admit("bert's", BERT);
  now += 1_000 / PAYER_REPLAYS_PER_SECOND_MAX;
  replays.admit("more", ANNA);
});

Deno.test("what has rested until it could be given as often as ever is forgotten", () => {
  let now = 0;
  const replays = new Replays(() => now);
  let most = 0;
  for (let nth = 0; nth < 20_000; nth++) {
    replays.admit(`key ${nth}`, nth % 2 === 0 ? ANNA : BERT);
    most = Math.max(most, replays.size());
    now += 1_000;
  }
  assert.ok(most <= 2 + 1 / KEY_REPLAYS_PER_SECOND_MAX + 1, `${most} are remembered`);
});
