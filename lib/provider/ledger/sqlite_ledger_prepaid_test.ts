/** Credits that the escrow took before their runs: the source "prepaid", and what it leaves. */
import assert from "node:assert/strict";
import {
  drawOf,
  holdOne,
  ID,
  LANE,
  openLedger,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  sell,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import type { SqliteLedger } from "./sqlite_ledger.ts";
import { readJournal } from "./store.ts";

/** The escrow has taken the lane's credits up to a counter. */
function taken(ledger: SqliteLedger, settled: bigint): Promise<void> {
  const transaction = TRANSACTION;
  return ledger.record([{ fact: "settled", ...ID, settled, block: 2n, transaction }]);
}

Deno.test("a lane of which the escrow has to take a credit first is opened, then holds that credit", async () => {
  await using book = await openLedger();
  const { ledger, path } = book;
  const view = viewOf(2n, { settled: new Map([[LANE, 7n]]) });
  const ask = () => ledger.hold(drawOf(), view, "prepaid");
  const notTaken = (at: bigint) => (
    { payable: false, refusal: { reason: "not_taken", settled: at }, used: at }
  );
  assert.deepEqual(await ask(), notTaken(7n));
  assert.ok(ledger.store.isOnDisk(ledger.store.mark()));
  assert.deepEqual(await ask(), notTaken(7n));
  assert.deepEqual(readJournal(path, {}).map(({ kind }) => kind), ["open"]);
  assert.ok(ledger.knows(PAYER) && ledger.knows(PAYER, LANE));
  assert.ok(!ledger.knows(PAYER, OTHER_LANE) && !ledger.knows(OTHER_PAYER));
  await taken(ledger, 8n);
  assert.equal((await ask()).payable, true);
  assert.deepEqual(await ask(), notTaken(8n));
});

Deno.test("a lane that is refused for another reason is not opened", async () => {
  await using book = await openLedger();
  const refused = await book.ledger.hold(drawOf(), viewOf(0n), "prepaid");
  assert.ok(!refused.payable && refused.refusal.reason === "no_credits");
  assert.ok(!book.ledger.knows(PAYER));
});

Deno.test("nothing is held ahead where the escrow takes each credit first", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  await ledger.hold(drawOf(), viewOf(100n), "prepaid");
  await taken(ledger, 9n);
  for (let call = 0; call < 4; call++) {
    await ledger.charge(await holdOne(ledger, drawOf(), viewOf(100n), "prepaid"), "answered", null);
  }
  assert.deepEqual(ledger.totals(), { unsettled: 0n, held: 0n, preheld: 0n, dueLanes: 0 });
});

Deno.test("what is prepaid on a lane is lent to no other, however its calls follow one another", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  // All that the payer allowed has been taken, for this lane.
  const view = viewOf(0n, { ceiling: 5n });
  await ledger.hold(drawOf(), view, "prepaid");
  await taken(ledger, 5n);
  for (let call = 0; call < 2; call++) await sell(ledger, drawOf(), view);
  const other = await ledger.hold(drawOf({ lane: OTHER_LANE }), view, "allowance");
  assert.equal(other.payable, false);
  for (let call = 0; call < 3; call++) await sell(ledger, drawOf(), view);
  assert.equal((await ledger.hold(drawOf(), view, "allowance")).payable, false);
});

Deno.test("nor is what is prepaid again, as the run that was to use it is released", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  const view = viewOf(1n, { ceiling: 4n });
  await ledger.hold(drawOf(), view, "prepaid");
  await taken(ledger, 3n);
  await sell(ledger, drawOf(), view);
  const [first, second] = [
    await holdOne(ledger, drawOf(), view),
    await holdOne(ledger, drawOf(), view),
  ];
  await ledger.charge(first, "answered", null);
  ledger.release(second, "internal");
  // The payer has revoked what was not taken.
  const later = viewOf(0n, { ceiling: 3n });
  const other = await ledger.hold(drawOf({ lane: OTHER_LANE }), later, "allowance");
  assert.equal(other.payable, false);
  assert.equal((await ledger.hold(drawOf(), later, "allowance")).payable, true);
});

Deno.test("nor is what the escrow takes while credits are held for later calls", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  const view = viewOf(0n, { ceiling: 5n });
  for (let call = 0; call < 2; call++) await sell(ledger, drawOf(), view);
  assert.ok(ledger.totals().preheld > 0n);
  await taken(ledger, 5n);
  assert.equal((await ledger.hold(drawOf({ lane: OTHER_LANE }), view, "allowance")).payable, false);
  assert.equal((await ledger.hold(drawOf(), view, "allowance")).payable, true);
});
