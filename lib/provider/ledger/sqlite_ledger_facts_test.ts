/** What the chain tells the ledger, and what the ledger then says of its lanes. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import {
  drawOf,
  holdOne,
  ID,
  LANE,
  openLedger,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  permitOf,
  sell,
  signatureOf,
  THIRD_LANE,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import type { LaneId } from "./journal.ts";
import type { ChainFact, LaneState, Ledger } from "./ledger.ts";
import { readJournal } from "./store.ts";

const VIEW = viewOf(100n);

const settled = (to: bigint, id: LaneId = ID, block = 9n): ChainFact => (
  { fact: "settled", ...id, settled: to, block, transaction: TRANSACTION }
);

const level = (to: bigint, id: LaneId = ID, block = 9n): ChainFact => (
  { fact: "level", ...id, settled: to, block }
);

const refused = (id: LaneId = ID): ChainFact => (
  { fact: "refused", ...id, reason: "PermitExpired", transaction: TRANSACTION }
);

/** Sells so many credits on a lane; nothing is held for later calls. */
async function sellOn(ledger: Ledger, count: number, id: LaneId = ID): Promise<void> {
  ledger.stopHolding();
  for (let call = 0; call < count; call++) await sell(ledger, drawOf({ ...id }), VIEW);
}

async function stateOf(ledger: Ledger, id: LaneId = ID): Promise<LaneState> {
  const state = await ledger.lane(id);
  assert.ok(state);
  return state;
}

const names = (lanes: readonly LaneId[]): Hex[] => lanes.map(({ lane }) => lane).sort();

Deno.test("a settlement only advances the lane, in whichever order it is heard of", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  await sellOn(ledger, 4);
  for (const [heard, known] of [[2n, 2n], [3n, 3n], [1n, 3n], [3n, 3n]] as const) {
    await ledger.record([settled(heard)]);
    assert.equal((await stateOf(ledger)).settled, known);
  }
  assert.equal(ledger.totals().unsettled, 5n);
  await ledger.record([settled(6n)]);
  assert.equal(ledger.totals().unsettled, 0n);
});

Deno.test("a settlement that is heard of late moves no block and keeps a refusal", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  await sellOn(ledger, 3);
  await ledger.record([settled(2n, ID, 5n), refused()]);
  await ledger.record([settled(1n, ID, 9n)]);
  const { settledBlock, refused: because } = await stateOf(ledger);
  assert.deepEqual([settledBlock, because], [5n, "PermitExpired"]);
  await ledger.record([settled(3n, ID, 9n)]);
  const later = await stateOf(ledger);
  assert.deepEqual([later.settledBlock, later.refused], [9n, null]);
});

Deno.test("a counter that was read is the lane's, also a lower one, and a refusal is forgotten", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  await sellOn(ledger, 3);
  await ledger.record([settled(3n), refused()]);
  await ledger.record([level(1n, ID, 7n)]);
  const state = await stateOf(ledger);
  assert.deepEqual([state.settled, state.settledBlock, state.refused], [1n, 7n, null]);
  assert.equal(ledger.totals().unsettled, 10n);
  await ledger.record([refused(), level(1n)]);
  assert.equal((await stateOf(ledger)).refused, null, "though it is where it was");
});

Deno.test("a lane that the escrow refused is served no more until it settles", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  await sellOn(ledger, 2);
  await ledger.record([refused()]);
  const answer = await ledger.hold(drawOf(), VIEW, "allowance");
  const refusal = { reason: "lane_refused", because: "PermitExpired", dearest: 5n };
  assert.deepEqual(answer, { payable: false, refusal, used: 2n });
  await ledger.record([settled(2n)]);
  assert.ok((await ledger.hold(drawOf(), VIEW, "allowance")).payable);
});

Deno.test("several facts about one lane are taken in their order, each on what the one before left", async () => {
  const orders: [facts: ChainFact[], to: bigint, refused: string | null][] = [
    [[settled(1n), settled(3n), settled(2n)], 3n, null],
    [[settled(3n), level(1n), settled(2n)], 2n, null],
    [[level(2n), settled(1n)], 2n, null],
    [[refused(), settled(1n)], 1n, null],
    [[settled(1n), refused(), settled(1n)], 1n, "PermitExpired"],
  ];
  for (const [facts, to, because] of orders) {
    await using book = await openLedger();
    const { ledger } = book;
    await sellOn(ledger, 3);
    await ledger.record(facts);
    const state = await stateOf(ledger);
    assert.deepEqual([state.settled, state.refused], [to, because]);
  }
});

Deno.test("facts are on disk when they are recorded, those of unknown lanes are passed over", async () => {
  await using book = await openLedger();
  const { ledger, path } = book;
  await sellOn(ledger, 2);
  const strangers = [{ payer: PAYER, lane: OTHER_LANE }, { payer: OTHER_PAYER, lane: LANE }];
  const unknown = strangers.flatMap((id) => [settled(1n, id), level(1n, id), refused(id)]);
  await ledger.record([...unknown, settled(1n), refused(), ...unknown]);
  assert.ok(ledger.store.isOnDisk(ledger.store.mark()));
  const [settle, skip, ...more] = readJournal(path, {}).slice(-2);
  assert.ok(settle?.kind === "settle" && skip?.kind === "skip" && more.length === 0);
  assert.deepEqual([settle.settled, settle.transaction], [1n, TRANSACTION]);
  assert.deepEqual([skip.charged, skip.reason], [2n, "PermitExpired"], "what was asked for");
  assert.ok(!ledger.knows(PAYER, OTHER_LANE) && !ledger.knows(OTHER_PAYER));
  await ledger.record(unknown);
  await ledger.record([]);
  assert.equal(await ledger.lane(strangers[0]!), undefined);
});

Deno.test("due is what was charged and neither settled nor refused", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  const [other, third] = [{ payer: PAYER, lane: OTHER_LANE }, { payer: PAYER, lane: THIRD_LANE }];
  await sellOn(ledger, 2);
  await holdOne(ledger, drawOf({ lane: OTHER_LANE }), VIEW);
  await sellOn(ledger, 1, third);
  assert.deepEqual(names(await ledger.due()), [LANE, THIRD_LANE], "a run that goes on is not");
  await ledger.record([settled(1n), settled(1n, third)]);
  assert.deepEqual(names(await ledger.due()), [LANE]);
  await ledger.record([refused(), refused(other)]);
  assert.deepEqual(await ledger.due(), []);
  assert.deepEqual(await ledger.figures(), { outstanding: 2, refused: 2, refusedAmount: 5n });
  await ledger.record([level(0n, third)]);
  assert.deepEqual(names(await ledger.due()), [THIRD_LANE]);
});

Deno.test("nothing is due on a lane that no permit was accepted on", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  await ledger.hold(drawOf(), viewOf(1n, { settled: new Map([[LANE, 7n]]) }), "prepaid");
  await ledger.record([level(6n)]);
  const { charged, settled, permits } = await stateOf(ledger);
  assert.deepEqual([charged, settled, permits], [7n, 6n, []]);
  assert.deepEqual(await ledger.due(), []);
});

Deno.test("unsure is what later blocks told, and whatever was refused", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  const [other, third] = [{ payer: PAYER, lane: OTHER_LANE }, { payer: OTHER_PAYER, lane: LANE }];
  await sellOn(ledger, 2);
  await sellOn(ledger, 2, other);
  await sellOn(ledger, 2, third);
  assert.deepEqual(await ledger.unsure(0n), [], "what was opened rests on no block");
  await ledger.record([settled(1n, ID, 6n), level(1n, other, 7n), refused(third)]);
  const payersAt = async (block: bigint) =>
    (await ledger.unsure(block)).map(({ payer, lane }) => `${payer}${lane}`).sort();
  const [a, b, c] = [ID, other, third].map(({ payer, lane }) => `${payer}${lane}`);
  assert.deepEqual(await payersAt(5n), [a, b, c]);
  assert.deepEqual(await payersAt(6n), [b, c]);
  assert.deepEqual(await payersAt(7n), [c]);
  assert.deepEqual(names(await ledger.settledAbove(5n)).sort(), names([ID, other]).sort());
  assert.deepEqual(names(await ledger.settledAbove(6n)), names([other]));
  assert.deepEqual(names(await ledger.refused(OTHER_PAYER)), [LANE]);
  assert.deepEqual(await ledger.refused(PAYER), []);
  assert.deepEqual(await ledger.refused(permitOf().provider), [], "it never paid");
});

Deno.test("what was said of a lane does not change later, nor does it change the lane", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  await sellOn(ledger, 2);
  const said = async () => [
    ...await ledger.due(),
    ...await ledger.unsure(-1n),
    await stateOf(ledger),
  ];
  const before = await said();
  await ledger.record([refused()]);
  const [inRefusal] = await ledger.refused(PAYER);
  const known = structuredClone([...before, inRefusal]);
  await ledger.record([settled(1n)]);
  await sellOn(ledger, 1);
  await sell(ledger, drawOf({ permit: permitOf({ signature: signatureOf(2) }) }), VIEW);
  assert.deepEqual([...before, inRefusal], known);
  const state = await stateOf(ledger);
  for (const copy of [...await ledger.unsure(-1n), state]) {
    copy.segments[0]!.upTo = 90n;
    copy.segments.push({ upTo: 99n, price: 7n });
  }
  assert.deepEqual((await stateOf(ledger)).segments, [{ upTo: 4n, price: 5n }]);
  assert.equal(ledger.totals().unsettled, 15n);
});

/** A ledger with lanes in every relation to the escrow, as settled at blocks 5 and 9. */
async function openLanes() {
  const book = await openLedger();
  const { ledger } = book;
  const lanes = {
    level: `0x${"01".repeat(32)}`,
    due: `0x${"02".repeat(32)}`,
    busy: `0x${"03".repeat(32)}`,
    prepaid: `0x${"04".repeat(32)}`,
    late: `0x${"05".repeat(32)}`,
  } as const;
  const idOf = (lane: Hex): LaneId => ({ payer: PAYER, lane });
  const view = viewOf(100n, { settled: new Map(Object.values(lanes).map((lane) => [lane, 3n])) });
  ledger.stopHolding();
  for (const lane of Object.values(lanes)) {
    for (let call = 0; call < 2; call++) await sell(ledger, drawOf({ lane }), view);
  }
  await holdOne(ledger, drawOf({ lane: lanes.busy }), view);
  await ledger.record([
    settled(5n, idOf(lanes.level), 5n),
    settled(4n, idOf(lanes.due), 5n),
    settled(5n, idOf(lanes.busy), 5n),
    settled(7n, idOf(lanes.prepaid), 5n),
    settled(5n, idOf(lanes.late), 9n),
  ]);
  return { ...book, lanes, view };
}

Deno.test("to be read are the lanes whose counter may differ from ours, with ours", async () => {
  await using book = await openLanes();
  const { ledger, lanes: { level, due, busy, prepaid, late } } = book;
  const unknown: Hex = `0x${"06".repeat(32)}`;
  const differing: [Hex, bigint][] = [[due, 4n], [busy, 5n], [prepaid, 7n]];
  const cases: [lane: Hex, block: bigint, lanes: [Hex, bigint | null][]][] = [
    [due, 9n, differing],
    [level, 9n, [...differing, [level, 5n]]],
    [unknown, 9n, [...differing, [unknown, null]]],
    [due, 8n, [...differing, [late, 5n]]],
    [due, 5n, [...differing, [late, 5n]]],
    [due, 4n, [...differing, [late, 5n], [level, 5n]]],
  ];
  for (const [lane, block, expected] of cases) {
    const basis = await ledger.basis(PAYER, lane, block);
    assert.deepEqual(basis, { lanes: new Map(expected), settledHere: 2n + 1n + 2n + 4n + 2n });
  }
});

Deno.test("of a payer that is new only its lane is read", async () => {
  await using book = await openLanes();
  const basis = await book.ledger.basis(OTHER_PAYER, LANE, 9n);
  assert.deepEqual(basis, { lanes: new Map([[LANE, null]]), settledHere: 0n });
});

Deno.test("a lane is level again once its run has ended and the escrow has taken what it cost", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  ledger.stopHolding();
  const listed = async () => [...(await ledger.basis(PAYER, OTHER_LANE, 9n)).lanes.keys()];
  const held = await holdOne(ledger, drawOf(), VIEW);
  assert.deepEqual(await listed(), [OTHER_LANE, LANE]);
  await ledger.charge(held, "answered", null);
  assert.deepEqual(await listed(), [OTHER_LANE, LANE]);
  await ledger.record([settled(1n)]);
  assert.deepEqual(await listed(), [OTHER_LANE]);
  ledger.release(await holdOne(ledger, drawOf(), VIEW), "internal");
  assert.deepEqual(await listed(), [OTHER_LANE]);
});
