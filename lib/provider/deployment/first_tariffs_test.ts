import assert from "node:assert/strict";
import { beginningOf } from "./first_tariffs.ts";

const OFFERED = { price: 2n, terms: [] };

Deno.test("a history begins with what is offered now, and nobody came before it", () => {
  const { tariffs, cameUnder } = beginningOf(OFFERED, 100n);
  assert.deepEqual(tariffs, [{ ...OFFERED, since: 100n }]);
  assert.deepEqual([null, 1n, 2n].map(cameUnder), [0, 0, 0]);
});

Deno.test("who signed the earlier price that the configuration names came under that", () => {
  const { tariffs, cameUnder } = beginningOf(
    { ...OFFERED, oldPrice: { price: 1n, until: 9n } },
    5n,
  );
  assert.deepEqual(tariffs, [{ price: 1n, terms: [], since: 0n }, { ...OFFERED, since: 5n }]);
  assert.deepEqual([null, 0n, 1n, 2n, 3n].map(cameUnder), [1, 1, 0, 1, 1]);
});

Deno.test("a price that was higher before is nothing to keep", () => {
  const { tariffs } = beginningOf({ ...OFFERED, oldPrice: { price: 2n, until: 9n } }, 5n);
  assert.equal(tariffs.length, 1);
});
