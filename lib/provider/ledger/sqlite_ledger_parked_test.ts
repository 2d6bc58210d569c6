/** Whoever asks a ledger about a lane that is parked is told what it would be told of it here. */
import assert from "node:assert/strict";
import {
  CID,
  drawOf,
  ID,
  LANE,
  openLedger,
  OTHER_LANE,
  PAYER,
  permitOf,
  RUN,
  sell,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import type { SqliteLedger } from "./sqlite_ledger.ts";
import { openSqliteLedger } from "./sqlite_ledger.ts";

const FINAL = 10n;
const PERMIT = permitOf({ credits: 3n });
const DRAW = drawOf({ permit: PERMIT });

/** Three credits of a lane were used, and all are settled; another lane is due. */
async function market() {
  const opened = await openLedger();
  await opened.ledger.close();
  const ledger = await openSqliteLedger({ ...opened.options, finalBlock: () => FINAL });
  const view = viewOf(20n, { block: 5n });
  for (let call = 0; call < 3; call++) await sell(ledger, DRAW, view);
  await settle(ledger, 3n, 4n);
  await sell(ledger, drawOf({ lane: OTHER_LANE }), view);
  ledger.stopHolding();
  return { ...opened, ledger, view };
}

const settle = (ledger: SqliteLedger, settled: bigint, block: bigint) =>
  ledger.record([{ fact: "settled", ...ID, settled, block, transaction: TRANSACTION }]);

async function park(ledger: SqliteLedger): Promise<void> {
  for (const _ of ["kept", "parked"]) await ledger.store.checkpoint();
  assert.deepEqual(here(ledger), [OTHER_LANE]);
}

function here({ store }: SqliteLedger) {
  return [...store.book.accounts.get(PAYER)?.lanes.keys() ?? []];
}

/** All that can be asked, in an order of its own. */
async function answers(ledger: SqliteLedger, view: ReturnType<typeof viewOf>) {
  const more = drawOf({ permit: permitOf({ credits: 9n }) });
  return {
    known: [
      ledger.knows(PAYER),
      ledger.knows(PAYER, LANE),
      ledger.knows(PAYER, `0x${"cd".repeat(32)}`),
    ],
    unsettled: ledger.unsettled(PAYER),
    basis: await ledger.basis(PAYER, LANE, 5n),
    other: await ledger.basis(PAYER, OTHER_LANE, 5n),
    judged: [
      await ledger.judge(DRAW, view, "allowance"),
      await ledger.judge(more, view, "allowance"),
    ],
    standing: await ledger.standing(more, view),
    used: await ledger.used(ID, view),
    usedUp: await ledger.usedUp(ID),
    lane: await ledger.lane(ID),
    due: await ledger.due(),
    unsure: await ledger.unsure(FINAL),
    totals: ledger.totals(),
    figures: await ledger.figures(),
  };
}

Deno.test("what is told of a lane is the same while it is parked, and once it came back", async () => {
  await using it = await market();
  const expected = await answers(it.ledger, it.view);
  assert.equal(expected.usedUp?.signature, PERMIT.signature);
  for (const question of Object.keys(expected) as (keyof typeof expected)[]) {
    await park(it.ledger);
    assert.deepEqual((await answers(it.ledger, it.view))[question], expected[question], question);
  }
});

Deno.test("a lane that is parked is charged, settled and refused as any other", async () => {
  await using it = await market();
  const { ledger, view } = it;
  await park(ledger);
  const draw = drawOf({ permit: permitOf({ credits: 9n }) });
  const held = await ledger.hold(draw, view, "allowance", false);
  assert.ok(held.payable);
  await ledger.charge(held, "answered", { ...RUN });
  assert.equal((await ledger.lane(ID))?.charged, 4n);
  assert.deepEqual((await ledger.due()).map(({ lane }) => lane).sort(), [LANE, OTHER_LANE]);
  await settle(ledger, 4n, 6n);
  await park(ledger);
  // The chain takes credits that nobody used here: what was parked hears of it.
  await settle(ledger, 6n, FINAL + 1n);
  assert.deepEqual((await ledger.settledAbove(FINAL)).map(({ settled }) => settled), [6n]);
  await ledger.record([{ fact: "level", ...ID, settled: 4n, block: FINAL }]);
  await park(ledger);
  await ledger.record([{ fact: "refused", ...ID, reason: "NoCredits", transaction: TRANSACTION }]);
  assert.equal((await ledger.figures()).refused, 1);
});

Deno.test("what a payer may use counts what it used on lanes that are parked", async () => {
  await using it = await market();
  const { ledger } = it;
  await park(ledger);
  const view = viewOf(4n, { block: 5n });
  const draw = drawOf({ lane: OTHER_LANE, cid: CID });
  const judged = await ledger.judge(draw, view, "allowance");
  assert.ok(!judged.payable && judged.refusal.reason === "no_credits");
});
