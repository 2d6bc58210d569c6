import assert from "node:assert/strict";
import { permitOf } from "../../../worlds/ledger.ts";
import type { Lane } from "./journal.ts";
import { rowsOf } from "./rows.ts";

type Part = Pick<Lane, "permit" | "settled" | "charged" | "segments">;

const lane: Part = {
  permit: permitOf(),
  settled: 11n,
  charged: 15n,
  segments: [{ upTo: 12n, price: 5n }, { upTo: 14n, price: 7n }, { upTo: 15n, price: 5n }],
};

/** Rows as one writes them on paper: credits, price, fresh. */
function paper(part: Part, upTo?: bigint) {
  return rowsOf(part, null, upTo).map(({ charge: { credits, price }, fresh }) =>
    [credits, price, fresh].map(Number)
  );
}

Deno.test("a lane has a row for each price, in the order of use, from what is settled on", () => {
  assert.deepEqual(paper(lane), [[12, 5, 1], [14, 7, 2], [15, 5, 1]]);
  assert.deepEqual(paper({ ...lane, settled: 13n }), [[14, 7, 1], [15, 5, 1]]);
  assert.deepEqual(paper({ ...lane, settled: 15n }), []);
  assert.deepEqual(paper({ ...lane, settled: 9n }), [[12, 5, 3], [14, 7, 2], [15, 5, 1]]);
});

Deno.test("no row goes beyond the counter that it may go to", () => {
  assert.deepEqual(paper(lane, 13n), [[12, 5, 1], [13, 7, 1]]);
  assert.deepEqual(paper(lane, 11n), []);
});

Deno.test("a lane without a permit has no rows", () => {
  assert.deepEqual(paper({ ...lane, permit: null }), []);
});
