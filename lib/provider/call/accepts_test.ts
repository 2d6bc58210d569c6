import assert from "node:assert/strict";
import { openCallWorld } from "../../../worlds/calls.ts";
import type { PaymentScheme } from "../money/scheme.ts";
import { acceptsOf } from "./accepts.ts";

Deno.test("a 402 asks for one entry of every scheme, in order, each told of the lane", async () => {
  using world = await openCallWorld();
  const [counting] = world.parts.money.schemes as [PaymentScheme];
  const other: PaymentScheme = {
    ...counting,
    offer: (lane) => ({ ...counting.offer(lane), scheme: "other" }),
  };
  const accepts = acceptsOf([other, counting]);
  assert.deepEqual(accepts(undefined), [{ scheme: "other" }, { scheme: "counting" }]);
  assert.deepEqual(accepts({ id: "0x01", cumulative: 2n }), [
    { scheme: "other", lane: "0x01" },
    { scheme: "counting", lane: "0x01" },
  ]);
});
