import assert from "node:assert/strict";
import type { Bill } from "../money/bill.ts";
import { createAsking } from "./settle_each.ts";

const bill = (lane: string) => ({ payer: "0xA", lane }) as unknown as Bill;

Deno.test("no more credits are asked for than the payer has, on whichever lanes", () => {
  const ask = createAsking();
  const over = ask(bill("0x1"), { payer: 2n, lane: 9n });
  ask(bill("0x2"), { payer: 2n, lane: 9n });
  assert.throws(() => ask(bill("0x3"), { payer: 2n, lane: 9n }), { code: "overloaded" });
  over();
  ask(bill("0x3"), { payer: 2n, lane: 9n });
});

Deno.test("no more credits are asked for than the permit covers on its lane", () => {
  const ask = createAsking();
  const over = ask(bill("0x1"), { payer: 9n, lane: 1n });
  assert.throws(() => ask(bill("0x1"), { payer: 9n, lane: 1n }), { code: "overloaded" });
  ask(bill("0x2"), { payer: 9n, lane: 1n });
  over();
  assert.throws(() => ask(bill("0x1"), { payer: 9n, lane: 0n }), { code: "overloaded" });
});
