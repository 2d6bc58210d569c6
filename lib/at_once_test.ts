import assert from "node:assert/strict";
import { AtOnce } from "./at_once.ts";

Deno.test("so much goes on at a time, and the rest in its order", async () => {
  const turns = new AtOnce(2);
  const begun: number[] = [];
  const entered = [0, 1, 2, 3, 4].map(async (work) => {
    const leave = await turns.enter();
    begun.push(work);
    return leave;
  });
  const [leave0, leave1] = await Promise.all(entered.slice(0, 2));
  assert.deepEqual(begun, [0, 1]);
  leave1!();
  const leave2 = await entered[2]!;
  assert.deepEqual(begun, [0, 1, 2]);
  for (const leave of [leave0!, leave2]) leave();
  const last = await Promise.all(entered.slice(3));
  assert.deepEqual(begun, [0, 1, 2, 3, 4]);
  for (const leave of last) leave();
  await turns.enter();
  (await turns.enter())();
});
