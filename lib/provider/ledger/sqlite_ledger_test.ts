import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { type Address, getAddress } from "viem";
import {
  CID,
  drawOf,
  holdOne,
  ID,
  LANE,
  NOW_MS,
  openLedger,
  OTHER_CID,
  OTHER_LANE,
  OTHER_PAYER,
  permitOf,
  PRICE,
  RUN,
  sell,
  SETTLE_WINDOW,
  signatureOf,
  THIRD_LANE,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import type { Draw } from "./judge.ts";
import { openSqliteLedger, SqliteLedger } from "./sqlite_ledger.ts";
import { readJournal } from "./store.ts";

const LANES = [LANE, OTHER_LANE, THIRD_LANE];
const VIEW = viewOf(100n);

/** Whether everything that was written so far is on disk. */
function isAllOnDisk({ store }: SqliteLedger): boolean {
  return store.isOnDisk(store.mark());
}

/** What another process reads of the ledger: kinds, in order. */
function kindsIn(path: string): string[] {
  return readJournal(path, {}).map(({ kind }) => kind);
}

Deno.test("of calls that come at once as many hold a credit as there are, whatever their lanes", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  let payers = 0;
  const property = fc.asyncProperty(
    fc.bigInt(0n, 8n),
    fc.array(fc.record({ lane: fc.constantFrom(...LANES), cid: fc.constantFrom(CID, OTHER_CID) }), {
      minLength: 1,
      maxLength: 12,
    }),
    async (credits, calls) => {
      const payer: Address = getAddress(`0x${String(++payers).padStart(40, "0")}`);
      const view = viewOf(credits);
      const tries = calls.map((call) => ledger.hold(drawOf({ payer, ...call }), view, "allowance"));
      const answers = await Promise.all(tries);
      const held = BigInt(answers.filter(({ payable }) => payable).length);
      assert.equal(held, credits < BigInt(calls.length) ? credits : BigInt(calls.length));
    },
  );
  await fc.assert(property, { numRuns: 30 });
});

Deno.test("of one permit too, however many credits the payer has", async () => {
  await using book = await openLedger();
  const permit = permitOf({ credits: 3n });
  const tries = Array.from(
    { length: 5 },
    () => book.ledger.hold(drawOf({ permit }), VIEW, "allowance"),
  );
  const answers = (await Promise.all(tries)).map(({ payable }) => payable);
  assert.deepEqual(answers, [true, true, true, false, false]);
});

Deno.test("a hold is on disk when it resolves, and another process reads it", async () => {
  await using book = await openLedger();
  const held = await holdOne(book.ledger, drawOf(), VIEW);
  assert.ok(isAllOnDisk(book.ledger));
  const [open, permit, reserve] = readJournal(book.path, {});
  assert.deepEqual([open?.kind, permit?.kind], ["open", "permit"]);
  assert.ok(reserve?.kind === "reserve");
  const { reservation, price, cid, payer, lane } = reserve;
  const written = { reservation, price, cid, payer, lane };
  assert.deepEqual(written, { reservation: held.reservation, price: PRICE, cid: CID, ...ID });
});

Deno.test("a call whose credit was held before waits until that is on disk", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  await sell(ledger, drawOf(), VIEW);
  await sell(ledger, drawOf(), VIEW);
  assert.ok(ledger.totals().preheld > 0n);
  const mark = ledger.store.mark();
  assert.ok(!ledger.store.isOnDisk(mark));
  await holdOne(ledger, drawOf(), VIEW);
  assert.equal(ledger.store.mark(), mark, "nothing was written for it");
  assert.ok(ledger.store.isOnDisk(mark));
});

Deno.test("a charge is read by another process when it resolves, and is on disk where it is signed", async () => {
  await using book = await openLedger();
  const { ledger, path } = book;
  const [first, second] = [
    await holdOne(ledger, drawOf(), VIEW),
    await holdOne(ledger, drawOf(), VIEW),
  ];
  await ledger.charge(first, "failed", null);
  const kinds = ["open", "permit", "reserve", "reserve", "charge"];
  assert.deepEqual(kindsIn(path).slice(0, kinds.length), kinds);
  await ledger.charge(second, "answered", RUN);
  const charge = readJournal(path, {}).find((entry) => entry.kind === "charge" && entry.facts);
  assert.ok(charge?.kind === "charge" && charge.reservation === second.reservation);
  assert.deepEqual(charge.facts, { ...RUN, charged: 2n, cid: CID, price: PRICE });
  assert.ok(isAllOnDisk(ledger));
});

Deno.test("what is released is free at once, for any lane of the payer", async () => {
  await using book = await openLedger();
  const { ledger, path } = book;
  const [draw, view] = [drawOf({ lane: OTHER_LANE }), viewOf(1n)];
  const held = await holdOne(ledger, drawOf(), view);
  assert.equal((await ledger.judge(draw, view, "allowance")).payable, false);
  ledger.release(held, "internal");
  const judged = ledger.judge(draw, view, "allowance");
  assert.equal(ledger.totals().held, 0n);
  assert.deepEqual(await judged, { payable: true });
  await ledger.store.sync();
  const last = readJournal(path, {}).at(-1);
  assert.ok(last?.kind === "release" && last.reason === "internal");
});

Deno.test("a hold that has ended does not end again", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  const held = await holdOne(ledger, drawOf(), VIEW);
  await ledger.charge(held, "answered", null);
  await assert.rejects(ledger.charge(held, "answered", null), /is not open/);
  ledger.release(held, "internal");
  const lane = await ledger.lane(ID);
  assert.deepEqual([lane?.charged, lane?.held], [1n, 0n]);
});

Deno.test("a ledger that cannot be written holds nothing, and a release does not throw", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  const held = await holdOne(ledger, drawOf(), VIEW);
  const other = new DatabaseSync(book.path);
  other.exec("BEGIN EXCLUSIVE");
  await assert.rejects(ledger.hold(drawOf(), VIEW, "allowance"), { code: "overloaded" });
  other.exec("ROLLBACK");
  other.close();
  await assert.rejects(ledger.hold(drawOf(), VIEW, "allowance"), { code: "overloaded" });
  await assert.rejects(ledger.charge(held, "answered", null), { code: "overloaded" });
  ledger.release(await Promise.resolve(held), "internal");
});

Deno.test("a permit is measured by the ledger's clock, in whole seconds", async () => {
  await using book = await openLedger();
  const last = BigInt(Math.floor(NOW_MS / 1000)) + SETTLE_WINDOW;
  const alive = drawOf({ permit: permitOf({ deadline: last }) });
  assert.deepEqual(await book.ledger.judge(alive, VIEW, "allowance"), { payable: true });
  const dying = drawOf({ permit: permitOf({ deadline: last - 1n }) });
  const refused = { payable: false, refusal: { reason: "permit_expiring" }, used: 0n };
  assert.deepEqual(await book.ledger.judge(dying, VIEW, "allowance"), refused);
  assert.deepEqual(await book.ledger.hold(dying, VIEW, "allowance"), refused);
  assert.deepEqual(kindsIn(book.path), [], "a refusal is not written down");
});

Deno.test("a notice says what is left once the credit is charged, and never less than nothing", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  await sell(ledger, drawOf(), viewOf(3n));
  await sell(ledger, drawOf({ lane: OTHER_LANE }), viewOf(3n));
  await holdOne(ledger, drawOf(), viewOf(3n));
  assert.deepEqual(await ledger.standing(drawOf(), viewOf(3n)), { charged: 2n, available: 0n });
  assert.deepEqual(await ledger.standing(drawOf(), viewOf(2n)), { charged: 2n, available: 0n });
  assert.deepEqual(await ledger.standing(drawOf(), viewOf(5n)), { charged: 2n, available: 2n });
});

/** Two calls, so that a credit is held for a third. */
async function sellTwo(ledger: SqliteLedger, draw: Draw, view = VIEW): Promise<void> {
  for (let call = 0; call < 2; call++) await sell(ledger, draw, view);
}

Deno.test("what is held before its call takes part in what is held, not in what is used", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  await sellTwo(ledger, drawOf());
  const { preheld } = ledger.totals();
  assert.ok(preheld > 0n);
  assert.deepEqual(ledger.totals(), { unsettled: 10n, held: preheld, preheld, dueLanes: 1 });
  assert.equal(await ledger.used(ID, VIEW), 2n);
  assert.equal((await ledger.standing(drawOf(), viewOf(6n))).available, 4n);
});

Deno.test("a credit held before its call goes to whichever call of its payer needs it", async () => {
  const calls: Draw[] = [
    drawOf({ lane: OTHER_LANE }),
    drawOf({ cid: OTHER_CID }),
    drawOf({ price: 4n }),
    drawOf({ permit: permitOf({ signature: signatureOf(2) }) }),
  ];
  for (const call of calls) {
    await using book = await openLedger();
    const { ledger } = book;
    await sellTwo(ledger, drawOf(), viewOf(3n));
    assert.equal(ledger.totals().preheld, 5n);
    await holdOne(ledger, call, viewOf(3n));
    assert.deepEqual([ledger.totals().preheld, ledger.totals().held], [0n, call.price]);
    assert.equal((await ledger.hold(drawOf(), viewOf(3n), "allowance")).payable, false);
  }
});

Deno.test("a credit held before its call is given to another where the permit covers no more", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  const permit = permitOf({ credits: 3n });
  await sellTwo(ledger, drawOf({ permit }));
  assert.equal(ledger.totals().preheld, 5n);
  await holdOne(ledger, drawOf({ permit, cid: OTHER_CID }), VIEW);
  assert.deepEqual(ledger.totals(), { unsettled: 10n, held: 5n, preheld: 0n, dueLanes: 1 });
});

Deno.test("it stays where there is a credit for both, and where another payer calls", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  await sellTwo(ledger, drawOf());
  const { preheld } = ledger.totals();
  assert.ok(preheld > 0n);
  const oneMore = viewOf(2n + preheld / PRICE + 1n);
  await holdOne(ledger, drawOf({ cid: OTHER_CID }), oneMore);
  await holdOne(ledger, drawOf({ payer: OTHER_PAYER }), viewOf(1n));
  assert.deepEqual(ledger.totals(), { unsettled: 10n, held: preheld + 10n, preheld, dueLanes: 1 });
});

Deno.test("another permit comes to the lane, and what the one before held is given back", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  const first = drawOf({ permit: permitOf({ deadline: 1_800_000_000n }) });
  await sellTwo(ledger, first);
  const old = await holdOne(ledger, first, VIEW);
  await sell(ledger, first, VIEW);
  assert.ok(ledger.totals().preheld > 0n);
  const next = permitOf({ signature: signatureOf(2), credits: 9n });
  await holdOne(ledger, drawOf({ permit: next }), VIEW);
  assert.deepEqual([ledger.totals().preheld, ledger.totals().held], [0n, 10n]);
  const kept = (await ledger.lane(ID))!.permits.map(({ permit }) => permit.signature);
  assert.deepEqual(kept, [permitOf().signature, next.signature]);
  await sell(ledger, first, VIEW);
  assert.equal((await ledger.lane(ID))!.permits.length, 2, "the one before stays good");
  await ledger.charge(old, "answered", null);
});

Deno.test("nothing is held beyond what permit and allowance cover, nor on a refused lane", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  await sellTwo(ledger, drawOf(), viewOf(2n));
  const permit = permitOf({ lane: OTHER_LANE, credits: 2n });
  await sellTwo(ledger, drawOf({ lane: OTHER_LANE, permit }));
  const third = drawOf({ lane: THIRD_LANE });
  await sell(ledger, third, VIEW);
  const held = await holdOne(ledger, third, VIEW);
  const { payer, lane } = third;
  await ledger.record([
    { fact: "refused", payer, lane, reason: "PermitExpired", transaction: TRANSACTION },
  ]);
  await ledger.charge(held, "answered", null);
  assert.deepEqual(ledger.totals(), { unsettled: 20n, held: 0n, preheld: 0n, dueLanes: 2 });
});

Deno.test("once it is told to stop, it gives back what is held for later calls and holds no more", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  await sellTwo(ledger, drawOf());
  ledger.stopHolding();
  assert.deepEqual(ledger.totals(), { unsettled: 10n, held: 0n, preheld: 0n, dueLanes: 1 });
  await sellTwo(ledger, drawOf());
  assert.equal(ledger.totals().held, 0n);
});

Deno.test("who asks for a receipt's charge waits for the disk", async () => {
  await using book = await openLedger();
  const { store } = book.ledger;
  const disk = Promise.withResolvers<void>();
  const slow = { ...store, sync: () => disk.promise.then(store.sync) };
  const ledger = new SqliteLedger(slow, book.options);
  const held = await holdOne(ledger, drawOf(), VIEW);
  const silent = await holdOne(ledger, drawOf(), VIEW);
  await ledger.charge(held, "answered", RUN);
  await ledger.charge(silent, "answered", null);
  assert.equal(await ledger.receipted(silent.reservation), undefined, "it has no receipt");
  assert.equal(await ledger.receipted(99), undefined);
  let isTold = false;
  const asked = ledger.receipted(held.reservation).finally(() => isTold = true);
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(!isTold);
  disk.resolve();
  const charge = await asked;
  assert.deepEqual([charge?.outcome, charge?.facts.charged], ["answered", 1n]);
  assert.ok(isAllOnDisk(ledger));
});

Deno.test("a start releases what the life before it held, and forgets nothing else", async () => {
  await using book = await openLedger();
  const held = await holdOne(book.ledger, drawOf({ lane: OTHER_LANE }), VIEW);
  await sellTwo(book.ledger, drawOf());
  assert.ok(book.ledger.totals().preheld > 0n);
  // The life before is not closed: it was killed.
  const next = await openSqliteLedger(book.options);
  assert.deepEqual(next.totals(), { unsettled: 10n, held: 0n, preheld: 0n, dueLanes: 1 });
  const later = await holdOne(next, drawOf(), VIEW);
  assert.ok(later.reservation > held.reservation, "no number is given twice");
  assert.equal(await next.used(ID, VIEW), 3n);
  const reasons = readJournal(book.path, {}).map((entry) =>
    entry.kind === "release" && entry.reason
  );
  assert.ok(reasons.includes("restart"));
  await next.close();
});
