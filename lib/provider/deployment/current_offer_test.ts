import assert from "node:assert/strict";
import { configured } from "../../../worlds/fleet_books.ts";
import { CurrentOffer } from "./current_offer.ts";

Deno.test("an offer is as it was replaced last, and who wants to know is told", () => {
  const { offer: { keep }, texts } = configured(7n);
  const current = new CurrentOffer({ price: 7n, keep, terms: texts });
  const told: bigint[] = [];
  current.whenChanged(() => told.push(current.price));
  const { price, changes } = current;
  assert.deepEqual([price, changes, current.terms], [7n, 0, texts]);
  const { texts: others } = configured(9n, ["other\n"]);
  current.replace({ price: 9n, keep, terms: others });
  assert.deepEqual([current.price, current.changes, current.terms], [9n, 1, others]);
  assert.deepEqual(told, [9n]);
});
