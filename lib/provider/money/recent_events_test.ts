import assert from "node:assert/strict";
import type { Address } from "viem";
import type { PayerEvent } from "./payer_events.ts";
import { RecentEvents } from "./recent_events.ts";

const payer = (n: number): Address => `0x${String(n).padStart(40, "0")}`;
const at = (block: bigint, n = 1): PayerEvent => {
  return { event: "reclaimed", payer: payer(n), block, credits: 1n };
};
const blocksOf = (events: readonly PayerEvent[]) => events.map(({ block }) => block);

Deno.test("what happened to a payer above a block is kept, and nobody else's", () => {
  const recent = new RecentEvents();
  recent.beginAt(4n);
  const touched = recent.add([at(5n), at(6n, 2), at(7n)], { head: 7n, trusted: 7n });
  assert.deepEqual([...touched], [payer(1), payer(2)]);
  assert.deepEqual(blocksOf(recent.of(payer(1), 5n)), [7n]);
  assert.deepEqual(blocksOf(recent.of(payer(3), 0n)), []);
});

Deno.test("who is touched by what is trusted only now is told", () => {
  const recent = new RecentEvents();
  recent.beginAt(4n);
  recent.add([at(8n), at(9n, 2)], { head: 10n, trusted: 7n });
  assert.deepEqual([...recent.add([], { head: 11n, trusted: 8n })], [payer(1)]);
  assert.deepEqual([...recent.add([], { head: 12n, trusted: 8n })], []);
  assert.deepEqual([...recent.add([at(12n, 3)], { head: 12n, trusted: 9n })], [payer(3), payer(2)]);
});

Deno.test("old events are forgotten, never those above the trusted block", () => {
  const recent = new RecentEvents();
  assert.ok(recent.reaches(0n), "before anything is followed");
  recent.beginAt(100n);
  assert.deepEqual([recent.reaches(99n), recent.reaches(100n)], [false, true]);
  recent.add([at(101n), at(160n)], { head: 170n, trusted: 102n });
  assert.ok(recent.reaches(100n));
  recent.add([], { head: 200n, trusted: 130n });
  assert.deepEqual(blocksOf(recent.of(payer(1), 0n)), [160n]);
  assert.deepEqual([recent.reaches(129n), recent.reaches(130n)], [false, true]);
  recent.add([], { head: 300n, trusted: 300n });
  assert.deepEqual(blocksOf(recent.of(payer(1), 0n)), []);
  assert.deepEqual([recent.reaches(235n), recent.reaches(236n)], [false, true]);
});

Deno.test("what stood in blocks that were undone is forgotten, and may be told again", () => {
  const recent = new RecentEvents();
  recent.beginAt(4n);
  recent.add([at(5n), at(7n), at(6n, 2)], { head: 7n, trusted: 7n });
  assert.deepEqual([...recent.undo(6n)], [payer(1)]);
  assert.deepEqual(blocksOf(recent.of(payer(1), 0n)), [5n]);
  recent.undo(2n);
  assert.ok(recent.reaches(2n), "what follows will be told");
  assert.deepEqual([...recent.add([at(6n)], { head: 8n, trusted: 8n })], [payer(1)]);
});
