import assert from "node:assert/strict";
import {
  CID,
  ID,
  NOW_MS,
  OTHER_PAYER,
  PAYER,
  permitOf,
  signatureOf,
  TRANSACTION,
} from "../../../worlds/ledger.ts";
import { apply, emptyBook, type Entry, laneOf } from "./journal.ts";
import { laneFrom, stateText } from "./lane_state.ts";

const BIG = 2n ** 127n;

function permit(number: number, credits: bigint, deadline: bigint, signer = PAYER): Entry {
  const signature = signatureOf(number);
  return { kind: "permit", ...ID, permit: permitOf({ credits, deadline, signature }), signer };
}

function sale(reservation: number, price: bigint): Entry[] {
  return [
    { kind: "reserve", ...ID, reservation, cid: CID, price },
    { kind: "charge", ...ID, reservation, outcome: "answered" },
  ];
}

const HISTORY: Entry[] = [
  { kind: "open", ...ID, charged: BIG },
  permit(1, BIG + 1n, 2n ** 64n - 1n),
  ...sale(1, 5n),
  permit(2, BIG + 9n, 1_800_000_000n),
  permit(3, BIG + 4n, 1_900_000_000n),
  ...sale(2, 5n),
  { kind: "settle", ...ID, settled: BIG + 1n, block: 7n, transaction: TRANSACTION },
  ...sale(3, 2n ** 100n),
  { kind: "reserve", ...ID, reservation: 11, cid: CID, price: 5n },
  { kind: "reserve", ...ID, reservation: 12, cid: CID, price: 6n },
];
const REFUSED: Entry = {
  kind: "skip",
  ...ID,
  charged: BIG + 3n,
  reason: "NoCredits",
  transaction: TRANSACTION,
};

for (const end of [[], [REFUSED], [REFUSED, permit(4, BIG + 20n, 5n, OTHER_PAYER)]]) {
  Deno.test(`a lane comes back as it was kept, after ${end.length} entries more`, () => {
    const book = emptyBook();
    for (const entry of [...HISTORY, ...end]) apply(book, entry, NOW_MS);
    const lane = laneOf(book, ID.payer, ID.lane)!;
    const kept = laneFrom(ID, stateText(lane, book.reservations));
    assert.deepEqual(kept.lane, { ...lane, listed: 0 });
    const held = [11, 12].map((number) => {
      const { payer, lane: id, cid, price } = book.reservations.get(number)!;
      return [number, { payer, lane: id, cid, price }];
    });
    assert.deepEqual(kept.held, held);
    assert.ok(kept.lane.usedUp.best, "a permit that is used up was there to be kept");
  });
}
