import assert from "node:assert/strict";
import fc from "fast-check";
import { SettledLately } from "./settled_lately.ts";

Deno.test("those above a block are found, by their last settlement and whatever its order", () => {
  const settlement = fc.record({ lane: fc.nat(5), block: fc.bigInt(0n, 12n) });
  const property = fc.property(
    fc.array(settlement, { maxLength: 120, size: "max" }),
    (settlements) => {
      const lately = new SettledLately<{ settledBlock: bigint }>();
      const lanes = Array.from({ length: 6 }, () => ({ settledBlock: -1n }));
      for (const { lane, block } of settlements) {
        lanes[lane]!.settledBlock = block;
        lately.note(lanes[lane]!);
        for (const above of [-1n, 3n, 7n, 12n]) {
          const expected = lanes.filter(({ settledBlock }) => settledBlock > above);
          assert.deepEqual(lately.above(above), new Set(expected));
        }
      }
    },
  );
  fc.assert(property, { numRuns: 200 });
});

Deno.test("what settles at every block is still one lane", () => {
  const lately = new SettledLately<{ settledBlock: bigint }>();
  const lane = { settledBlock: 0n };
  for (let block = 1n; block <= 1_000n; block++) {
    lane.settledBlock = block;
    lately.note(lane);
  }
  assert.ok(lately.notes <= 2 + 16, `${lately.notes} notes`);
  assert.deepEqual(lately.above(999n), new Set([lane]));
});
