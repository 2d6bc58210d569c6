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

Deno.test("what is over counts once, and what others asked for still counts", () => {
  const asking = new Asking();
  const remaining = { payer: 3n, lane: 2n };
  const [first] = [1, 2].map(() => asking.ask(bill("0x1"), remaining));
  first!();
  asking.ask(bill("0x1"), remaining);
  assert.throws(() => asking.ask(bill("0x1"), remaining), { code: "overloaded" });
  asking.ask(bill("0x2"), remaining);
  assert.throws(() => asking.ask(bill("0x2"), remaining), { code: "overloaded" });
});
