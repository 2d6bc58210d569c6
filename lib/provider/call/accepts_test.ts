import assert from "node:assert/strict";
import { openCallWorld } from "../../../worlds/calls.ts";
import type { PaymentScheme } from "../money/scheme.ts";
import { acceptsOf } from "./accepts.ts";

Deno.test("a 402 asks for one entry of every scheme, the last first, each told of the call", async () => {
  using world = await openCallWorld();
  const [counting] = world.parts.money.schemes as [PaymentScheme];
  const other: PaymentScheme = {
    ...counting,
    offer: (about) => ({ ...counting.offer(about), scheme: "other" }),
  };
  const accepts = acceptsOf([counting, other]);
  assert.deepEqual(accepts({}), [{ scheme: "other" }, { scheme: "counting" }]);
  assert.deepEqual(accepts({ lane: { id: "0x01", cumulative: 2n }, creditsMax: 4 }), [
    { scheme: "other", lane: "0x01", creditsMax: 4 },
    { scheme: "counting", lane: "0x01", creditsMax: 4 },
  ]);
});

Deno.test("what is not taken now is not offered", async () => {
  using world = await openCallWorld();
  const [counting] = world.parts.money.schemes as [PaymentScheme];
  const closed: PaymentScheme = { ...counting, offer: () => null };
  assert.deepEqual(acceptsOf([counting, closed])({}), [{ scheme: "counting" }]);
  assert.deepEqual(acceptsOf([closed])({}), []);
});
