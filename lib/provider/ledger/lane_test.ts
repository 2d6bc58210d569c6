import assert from "node:assert/strict";
import { CID, ID, NOW_MS, sale, TRANSACTION } from "../../../worlds/ledger.ts";
import { apply, emptyBook, type Entry, laneOf } from "./journal.ts";
import { isLevel } from "./lane.ts";

const open: Entry = { kind: "open", ...ID, charged: 4n };
const settle = (settled: bigint): Entry => (
  { kind: "settle", ...ID, settled, block: 1n, transaction: TRANSACTION }
);
const reserve: Entry = { kind: "reserve", ...ID, reservation: 9, cid: CID, price: 5n };
const refuse: Entry = {
  kind: "skip",
  ...ID,
  charged: 4n,
  reason: "NoCredits",
  transaction: TRANSACTION,
};

const CASES: [what: string, isLevel: boolean, ...entries: Entry[]][] = [
  ["just opened", true, open],
  ["a credit is due", false, open, ...sale(1)],
  ["all is settled", true, open, ...sale(1), settle(5n)],
  ["a credit is prepaid", false, open, settle(5n)],
  ["the prepaid one is held", false, open, settle(5n), reserve],
  ["it was refused", false, open, refuse],
];

for (const [what, expected, ...entries] of CASES) {
  Deno.test(`a lane is ${expected ? "" : "not "}level: ${what}`, () => {
    const book = emptyBook();
    for (const entry of entries) apply(book, entry, NOW_MS);
    assert.equal(isLevel(laneOf(book, ID.payer, ID.lane)!), expected);
  });
}
