/** How often the chain is asked for one call, and by which view it is answered. */
import assert from "node:assert/strict";
import {
  billFor,
  CID,
  type CreditsDesk,
  LANE,
  openCreditsDesk,
  OTHER,
  permit,
  refusalOf,
} from "../../../worlds/chain/credits_desk.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import { CREDITS_LEFT_HEADER } from "../../credits_headers.ts";

/** A desk whose credits the escrow takes first; `before` it does, something may happen. */
async function openTakingDesk(credits: bigint, before: (desk: CreditsDesk) => void = () => {}) {
  const desk: CreditsDesk = await openCreditsDesk(credits, {
    async consume({ lane }) {
      before(desk);
      await desk.settle(lane, desk.escrow.consumed(lane) + 1n);
    },
  });
  return desk;
}

Deno.test("a no is said on a view younger than half a second, read anew once if it is older", async () => {
  await using money = await openCreditsDesk(0n);
  const { admit, escrow: { endpoint } } = money;
  const bill = billFor(await permit());
  await refusalOf(admit(bill));
  assert.equal(endpoint.reads, 1);
  for (const [later, reads] of [[499, 1], [2, 2], [499, 2]] as const) {
    money.now += later;
    await refusalOf(admit(bill));
    assert.equal(endpoint.reads, reads, `${later} ms later`);
  }
});

Deno.test("where each credit is taken first, one that was is its lane's, whatever another owes", async () => {
  await using money = await openTakingDesk(2n);
  const { escrow, ledger, payers } = money;
  const bill = billFor(await permit());
  (await money.hold(bill)).release("test");
  await money.pay(await permit({ lane: OTHER }));
  // A fork took the other lane's settlement back, and the payer's credits have gone.
  escrow.settle(OTHER, 0n);
  const { payer } = bill;
  const { block } = escrow.state;
  await ledger.record([{ fact: "level", payer, lane: OTHER, settled: 0n, block }]);
  escrow.change({ credits: 0n });
  payers.forget();
  await money.pay(bill.permit);
  await refusalOf(money.admit(bill));
});

Deno.test("where credits are settled afterwards, what another lane owes comes out of all", async () => {
  await using money = await openCreditsDesk(2n);
  const bill = billFor(await permit());
  await money.pay(bill.permit);
  await money.pay(await permit({ lane: OTHER }));
  await money.settle(LANE, 2n);
  money.payers.forget();
  await refusalOf(money.admit(bill));
});

Deno.test("what is left is told as of the block that took the credit", async () => {
  await using money = await openTakingDesk(5n, ({ escrow }) => escrow.change({ credits: 8n }));
  const held = await money.hold(billFor(await permit()));
  const left = (await held.notice()).find(([name]) => name === CREDITS_LEFT_HEADER)?.[1];
  assert.equal(left, "7");
  await held.charge("answered", null);
});

Deno.test("a bill is read from the headers of a call", async () => {
  await using money = await openCreditsDesk(1n);
  const spec = await sampleSpec({ fields: { access: "public" } });
  const entry = spec.providers[0]!;
  const bill = money.scheme.read({ cid: CID, spec, entry }, new Headers());
  assert.deepEqual([bill.source, bill.permit], ["owner", entry.permit]);
});
