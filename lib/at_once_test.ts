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

Deno.test("who gives its wait up takes nobody's turn, and one that is over twice gives no more", async () => {
  const turns = new AtOnce(1);
  const leave = await turns.enter();
  const gone = new AbortController();
  const given = turns.enter(gone.signal);
  const next = turns.enter();
  gone.abort(new Error("gone"));
  await assert.rejects(given, /gone/);
  await assert.rejects(turns.enter(gone.signal), /gone/);
  leave();
  leave();
  const leaveNext = await next;
  let isLast = false;
  const last = turns.enter().then((leaveLast) => {
    isLast = true;
    return leaveLast;
  });
  await Promise.resolve();
  assert.equal(isLast, false);
  leaveNext();
  (await last)();
});
