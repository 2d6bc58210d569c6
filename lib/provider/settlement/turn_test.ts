import assert from "node:assert/strict";
import fc from "fast-check";
import type { Address, Hex } from "viem";
import { UINT64_MAX } from "../../permit.ts";
import type { DueLane } from "../ledger/ledger.ts";
import { type Ends, type Turn, turnOf, TurnQueue } from "./turn.ts";

const TERMS = { intervalSeconds: 60, windowSeconds: 120 };

function due(more: Partial<DueLane> = {}): DueLane {
  const [payer, lane]: [Address, Hex] = [`0x${"aa".repeat(20)}`, `0x${"01".repeat(32)}`];
  const owed = { deadline: UINT64_MAX, epoch: 3, settled: 0n, amount: 5n };
  return { payer, lane, since: 1_000_000, ...owed, ...more };
}

const noNotice: Ends = { epoch: 3, epochEnd: 0n, thawEnd: 0n };

Deno.test("a debt's turn comes an interval after its oldest credit", () => {
  assert.equal(turnOf(due(), noNotice, TERMS).at, 1_060);
  assert.equal(turnOf(due(), undefined, TERMS).at, 1_060);
});

Deno.test("a debt's turn comes a window before whatever ends it first", () => {
  const at = (more: Partial<DueLane>, ends: Partial<Ends>) =>
    turnOf(due(more), { ...noNotice, ...ends }, TERMS);
  // A permit is good in the second of its deadline; credits and epochs end in the second named.
  assert.deepEqual(at({ deadline: 1_100n }, {}), {
    due: due({ deadline: 1_100n }),
    at: 981,
    end: 1_101,
  });
  assert.equal(at({}, { thawEnd: 1_100n }).at, 980);
  assert.equal(at({}, { epochEnd: 1_100n }).at, 980);
  assert.equal(at({ deadline: 1_150n }, { thawEnd: 1_100n, epochEnd: 1_050n }).end, 1_050);
  assert.equal(at({ deadline: 1_020n }, { thawEnd: 1_100n, epochEnd: 1_050n }).end, 1_021);
});

Deno.test("the end of an epoch ends no permit of the next one", () => {
  const next = due({ epoch: 4 });
  assert.equal(turnOf(next, { ...noNotice, epochEnd: 1_100n }, TERMS).at, 1_060);
});

/** A heap of a few levels, with many that are equal. */
const many = fc.array(fc.nat({ max: 20 }), { maxLength: 100, size: "max" });

Deno.test("turns leave the queue in their order, whatever the order they came in", () => {
  fc.assert(fc.property(many, (times) => {
    const queue = new TurnQueue();
    for (const at of times) queue.push({ due: due(), at, end: at + 1 });
    const out: number[] = [];
    for (let turn: Turn | undefined; (turn = queue.peek()) !== undefined;) {
      assert.equal(queue.pop(), turn);
      out.push(turn.at);
    }
    assert.equal(queue.pop(), undefined);
    assert.deepEqual(out, times.toSorted((a, b) => a - b));
  }));
});

Deno.test("of two turns at a time that of the debt that ends first comes first", () => {
  fc.assert(fc.property(many, (ends) => {
    const queue = new TurnQueue();
    for (const end of ends) queue.push({ due: due(), at: 7, end });
    const out = ends.map(() => queue.pop()!.end);
    assert.deepEqual(out, ends.toSorted((a, b) => a - b));
  }));
});
