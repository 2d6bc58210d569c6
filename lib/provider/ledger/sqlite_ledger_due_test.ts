/** What is due, since when and until when; also in a ledger that an earlier version wrote. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Hex } from "viem";
import {
  CID,
  drawOf,
  holdOne,
  ID,
  LANE,
  openLedger,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  permitOf,
  PRICE,
  sale,
  sell,
  signatureOf,
  THIRD_LANE,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import { permitToJson } from "../../permit.ts";
import { MARK_MS } from "./ages.ts";
import { SCHEMA } from "./codec.ts";
import type { Entry, LaneId } from "./journal.ts";
import type { ChainFact, DueLane } from "./ledger.ts";
import { SLICE_ITEMS } from "../../slices.ts";
import { openSqliteLedger } from "./sqlite_ledger.ts";

const VIEW = viewOf(100n);

const settled = (settled: bigint, id: LaneId = ID): ChainFact => (
  { fact: "settled", ...id, settled, block: 9n, transaction: TRANSACTION }
);

async function openClocked() {
  const book = await openLedger();
  const clock = { now: 1_000_000 };
  await book.ledger.close();
  const options = { ...book.options, now: () => clock.now };
  return Object.assign(book, { clock, options, ledger: await openSqliteLedger(options) });
}

const byLane = (due: readonly DueLane[]) => due.toSorted((a, b) => a.lane < b.lane ? -1 : 1);

Deno.test("of a lane that is due it is told since when, until when and how much", async () => {
  await using book = await openClocked();
  const { ledger, clock } = book;
  const permit = permitOf({ deadline: 1_800_000_000n });
  await sell(ledger, drawOf({ permit }), VIEW);
  clock.now += 7_000;
  await sell(ledger, drawOf({ lane: OTHER_LANE }), VIEW);
  await sell(ledger, drawOf({ permit }), VIEW);
  await sell(ledger, drawOf({ payer: OTHER_PAYER, lane: THIRD_LANE }), VIEW);
  await holdOne(ledger, drawOf({ lane: THIRD_LANE }), VIEW);
  const first: DueLane = {
    ...ID,
    since: 1_000_000,
    deadline: 1_800_000_000n,
    epoch: 0,
    settled: 0n,
    amount: 2n * PRICE,
  };
  const { deadline } = permitOf();
  const one = { deadline, epoch: 0, settled: 0n, amount: PRICE };
  const second = { ...ID, lane: OTHER_LANE, since: 1_007_000, ...one };
  assert.deepEqual(byLane(await ledger.dueOf(PAYER)), [first, second]);
  const third = { ...second, payer: OTHER_PAYER, lane: THIRD_LANE };
  assert.deepEqual(byLane(await ledger.due()), [first, second, third]);
  assert.deepEqual(await ledger.dueOf(permit.provider), []);
});

Deno.test("what a settlement leaves is as young as it was charged, after a restart too", async () => {
  await using book = await openClocked();
  const { clock, options } = book;
  const sinceIn = async (ledger: typeof book.ledger) => (await ledger.due())[0]?.since;
  await sell(book.ledger, drawOf(), VIEW);
  clock.now += MARK_MS;
  await sell(book.ledger, drawOf(), VIEW);
  assert.equal(await sinceIn(book.ledger), 1_000_000);
  await book.ledger.record([settled(1n)]);
  assert.equal(await sinceIn(book.ledger), 1_000_000 + MARK_MS);
  clock.now += 1_000_000;
  await book.ledger.close();
  book.ledger = await openSqliteLedger(options);
  assert.equal(await sinceIn(book.ledger), 1_000_000 + MARK_MS);
  await book.ledger.record([settled(2n)]);
  assert.equal(await sinceIn(book.ledger), undefined);
  await book.ledger.record([{ fact: "level", ...ID, settled: 0n, block: 8n }]);
  assert.equal(await sinceIn(book.ledger), 1_000_000, "a reorganisation: since the lane came");
});

Deno.test("it ends when the first of the permits ends that settle it", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  const soon = { credits: 2n, deadline: 1_800_000_000n, signature: signatureOf(2) };
  const deadlines = async () => (await ledger.due()).map(({ deadline }) => deadline);
  const long = permitOf({ credits: 1n });
  await sell(ledger, drawOf({ permit: long }), VIEW);
  assert.deepEqual(await deadlines(), [long.deadline]);
  await sell(ledger, drawOf({ permit: permitOf(soon) }), VIEW);
  assert.deepEqual(await deadlines(), [soon.deadline]);
  assert.deepEqual((await ledger.lane(ID))!.permits.length, 2);
});

Deno.test("many lanes are gone through in slices, and level ones not at all", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  const { store } = ledger;
  const laneAt = (n: number): Hex => `0x${String(n).padStart(64, "0")}`;
  const slices = 5;
  const entries: Entry[] = [];
  for (let n = 0; n < slices * SLICE_ITEMS; n++) {
    const id = { payer: PAYER, lane: laneAt(n) };
    entries.push(
      { kind: "open", ...id, charged: 0n },
      { kind: "permit", ...id, permit: permitOf(id) },
      ...sale(n + 1, PRICE, id),
      { kind: "open", payer: OTHER_PAYER, lane: id.lane, charged: 1n },
    );
  }
  await store.write(entries, "handed over");
  let [turns, isOver] = [0, false];
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const asked = ledger.due();
  // Settled meanwhile: it is due no more.
  await ledger.record([settled(1n, { payer: PAYER, lane: laneAt(slices * SLICE_ITEMS - 1) })]);
  const due = await asked;
  isOver = true;
  assert.equal(due.length, slices * SLICE_ITEMS - 1);
  assert.ok(turns >= slices - 1, `${turns} turns`);
});

/** Rows as they were written before a permit's signer was noted, and one permit a lane was kept. */
function writeEarlier(path: string): void {
  const database = new DatabaseSync(path);
  database.exec(`${SCHEMA}; PRAGMA user_version = 2`);
  const insert = database.prepare(
    "INSERT INTO journal (at, kind, payer, lane, reservation, deployment, amount, detail) " +
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const permit = (changes: Parameters<typeof permitOf>[0]) =>
    JSON.stringify(permitToJson(permitOf(changes)));
  const rows: [at: number, kind: string, lane: Hex, ...(string | number | null)[]][] = [
    [10, "open", LANE, null, null, "3", null],
    [10, "permit", LANE, null, null, null, permit({ credits: 90n })],
    [10, "reserve", LANE, 1, CID, "5", null],
    [20, "charge", LANE, 1, null, null, "answered"],
    [20, "permit", LANE, null, null, null, permit({ credits: 5n, signature: signatureOf(5) })],
    [20, "reserve", LANE, 2, CID, "7", null],
    [9_000, "charge", LANE, 2, null, null, "answered"],
    [9_000, "reserve", LANE, 3, CID, "7", null],
    [9_000, "release", LANE, 3, null, null, "internal"],
    [9_500, "settle", LANE, null, null, "4", JSON.stringify(["6", TRANSACTION])],
    [10, "open", OTHER_LANE, null, null, "0", null],
    [10, "permit", OTHER_LANE, null, null, null, permit({ lane: OTHER_LANE })],
    [10, "reserve", OTHER_LANE, 4, CID, "5", null],
    [30, "charge", OTHER_LANE, 4, null, null, "timeout"],
    [40, "skip", OTHER_LANE, null, null, "1", JSON.stringify(["PermitExpired", TRANSACTION])],
    [50, "reserve", LANE, 5, CID, "7", null],
  ];
  for (const [at, kind, lane, ...rest] of rows) insert.run(at, kind, PAYER, lane, ...rest);
  database.close();
}

Deno.test("a ledger of before permits were kept side by side says what it said", async () => {
  await using book = await openLedger();
  const path = `${book.path}.before`;
  writeEarlier(path);
  const ledger = await openSqliteLedger({ ...book.options, path });
  try {
    assert.deepEqual(ledger.totals(), { unsettled: 7n, held: 0n, preheld: 0n, dueLanes: 1 });
    assert.deepEqual(await ledger.figures(), { outstanding: 2, refused: 1, refusedAmount: 5n });
    const permit = permitOf({ credits: 5n, signature: signatureOf(5) });
    const [due, ...more] = await ledger.due();
    const { deadline, epoch } = permit;
    const expected = { ...ID, since: 9_000, deadline, epoch, settled: 4n, amount: 7n };
    assert.deepEqual([due, more], [expected, []]);
    const { usedUp, ...lane } = (await ledger.lane(ID))!;
    assert.equal(usedUp.best!.signature, permit.signature);
    assert.deepEqual(lane, {
      ...ID,
      charged: 5n,
      held: 0n,
      settled: 4n,
      settledBlock: 6n,
      permits: [{ permit, signer: null }],
      segments: [{ upTo: 4n, price: 5n }, { upTo: 5n, price: 7n }],
      openedAt: 10,
      refused: null,
    });
    const price = 7n;
    await sell(ledger, drawOf({ price, permit: permitOf({ price }) }), {
      ...VIEW,
      pricePerCredit: price,
    });
    assert.equal((await ledger.lane(ID))!.charged, 6n);
  } finally {
    await ledger.close();
  }
});

Deno.test("what a fork makes due again on a lane that has had no run here waits for its first run", async () => {
  await using book = await openClocked();
  const { ledger } = book;
  const view = viewOf(100n, { settled: new Map([[LANE, 10n]]) });
  const lasting = permitOf({ credits: 11n });
  const soon = permitOf({ credits: 60n, deadline: 1_800_000_000n, signature: signatureOf(1) });
  await holdOne(ledger, drawOf({ permit: lasting }), view);
  const held = await holdOne(ledger, drawOf({ permit: soon }), view);
  assert.equal((await ledger.lane(ID))!.permits.length, 2);
  await ledger.record([{ fact: "level", ...ID, settled: 8n, block: 9n }]);
  assert.deepEqual([await ledger.due(), await ledger.dueOf(PAYER)], [[], []]);
  assert.equal(ledger.totals().dueLanes, 0);
  await ledger.charge(held, "answered", null);
  const [due] = await ledger.due();
  assert.deepEqual([due!.amount, due!.deadline], [3n * PRICE, lasting.deadline]);
});
