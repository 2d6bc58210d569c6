import assert from "node:assert/strict";
import { entriesOf, LongJournal, next } from "../../../../worlds/long_journal.ts";
import { seededRandom } from "../../../../worlds/random.ts";
import { storedRow, toRow } from "../codec.ts";
import { decodeBlock, encodeBlock, type Party, type PartyRow } from "./block_codec.ts";

/** Rows, and whom each is of: a run's is its reservation's. */
function blockOf(count: number): { rows: PartyRow[]; parties: Party[] } {
  const customers = { payers: 3, deployments: 2, receipts: 0.5 };
  const parties: Party[] = [];
  const runs = new Map<number, string>();
  const rows = next(entriesOf(seededRandom("blocks"), customers), count).map((entry, index) => {
    if (entry.kind === "reserve") runs.set(entry.reservation, entry.cid);
    const cid = "reservation" in entry ? runs.get(entry.reservation)! : "";
    const party: Party = [entry.payer, entry.lane, cid];
    const known = parties.findIndex((each) => each.join() === party.join());
    const number = known < 0 ? parties.push(party) - 1 : known;
    return { row: storedRow(index + 1, toRow(entry, LongJournal.at(index + 1))), party: number };
  });
  return { rows, parties };
}

Deno.test("a block gives back its rows as they were, whole or with some left out", () => {
  const { rows, parties } = blockOf(600);
  for (const some of [rows, rows.slice(300), rows.filter(({ row }) => row.kind === "charge")]) {
    const text = encodeBlock(some, parties);
    assert.equal(text.includes("\n"), false, "it is one line");
    assert.deepEqual(decodeBlock(text, parties), some);
  }
});

Deno.test("what follows from the rows before is not written", () => {
  const party: Party = ["0xpayer", "0xlane", "bafycid"];
  const [at, payer, lane] = [1_000, party[0], party[1]];
  const rows = [1, 2].flatMap((reservation) => [
    storedRow(2 * reservation, [at, "reserve", payer, lane, reservation, party[2], "5", null]),
    storedRow(2 * reservation + 1, [
      at,
      "charge",
      payer,
      lane,
      reservation,
      null,
      null,
      "answered",
    ]),
  ]);
  const text = encodeBlock(rows.map((row) => ({ row, party: 0 })), [party]);
  assert.deepEqual(JSON.parse(text), {
    seq: 2,
    kinds: "rcrc",
    at: [1_000, 0, 0, 0],
    back: [1, 1],
    party: [0, 0],
    reservation: [1, 1],
    amount: ["5", 0],
    detail: ["answered", "answered"],
  });
});

Deno.test("a row that could not be read back as it is, is not archived", () => {
  const { rows, parties } = blockOf(50);
  const [first, ...rest] = rows as [PartyRow, ...PartyRow[]];
  const odd = { ...first.row, deployment: "bafyodd" } as PartyRow["row"];
  assert.throws(() => encodeBlock([{ ...first, row: odd }, ...rest], parties), /row 1 .* archived/);
});
