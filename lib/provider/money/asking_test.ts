import assert from "node:assert/strict";
import type { LaneId } from "../ledger/journal.ts";
import { Asking } from "./asking.ts";

const bill = (lane: string) => ({ payer: "0xA", lane }) as unknown as LaneId;

Deno.test("no more credits are asked for than the payer has, on whichever lanes", () => {
  const asking = new Asking();
  const over = asking.ask(bill("0x1"), { payer: 2n, lane: 9n });
  asking.ask(bill("0x2"), { payer: 2n, lane: 9n });
  assert.throws(() => asking.ask(bill("0x3"), { payer: 2n, lane: 9n }), { code: "overloaded" });
  over();
  asking.ask(bill("0x3"), { payer: 2n, lane: 9n });
});

Deno.test("no more credits are asked for than the permit covers on its lane", () => {
  const asking = new Asking();
  const over = asking.ask(bill("0x1"), { payer: 9n, lane: 1n });
  assert.throws(() => asking.ask(bill("0x1"), { payer: 9n, lane: 1n }), { code: "overloaded" });
  asking.ask(bill("0x2"), { payer: 9n, lane: 1n });
  over();
  assert.throws(() => asking.ask(bill("0x1"), { payer: 9n, lane: 0n }), { code: "overloaded" });
});
