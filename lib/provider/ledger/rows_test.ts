import assert from "node:assert/strict";
import { PAYER, permitOf, signatureOf } from "../../../worlds/ledger.ts";
import type { Lane } from "./journal.ts";
import { rowsOf } from "./rows.ts";

type Part = Pick<Lane, "permits" | "settled" | "charged" | "segments">;

const lane: Part = {
  permits: [{ permit: permitOf(), signer: PAYER }],
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

Deno.test("each credit is settled by the permit that lasts longest, as far as that one goes", () => {
  const [long, wide] = [{ credits: 13n, deadline: 900n }, { credits: 20n, deadline: 800n }]
    .map((each, index) => permitOf({ ...each, price: 9n, signature: signatureOf(index) }));
  const permits = [wide!, long!].map((permit) => ({ permit, signer: PAYER }));
  const rows = rowsOf({ ...lane, permits }, null);
  assert.deepEqual(
    rows.map(({ charge: { permit, ...row }, fresh }) => ({ ...row, fresh, by: permit.deadline })),
    [
      { credits: 12n, price: 5n, fresh: 1n, by: 900n },
      { credits: 13n, price: 7n, fresh: 1n, by: 900n },
      { credits: 14n, price: 7n, fresh: 1n, by: 800n },
      { credits: 15n, price: 5n, fresh: 1n, by: 800n },
    ],
  );
});

Deno.test("what no permit covers is tried with the newest, so that the escrow says why not", () => {
  const [first, last] = [12n, 13n].map((credits, index) =>
    permitOf({ credits, signature: signatureOf(index) })
  );
  const permits = [first!, last!].map((permit) => ({ permit, signer: PAYER }));
  const rows = rowsOf({ ...lane, permits, segments: [{ upTo: 15n, price: 5n }] }, null);
  assert.deepEqual(rows.map(({ charge }) => charge.credits), [13n, 15n]);
  assert.equal(rows.at(-1)!.charge.permit, last);
});

Deno.test("a lane without a permit has no rows", () => {
  assert.deepEqual(paper({ ...lane, permits: [] }), []);
});
