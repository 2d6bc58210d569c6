/** Permits whatever is left to pay with: which the escrow would take, by whom, of which epoch. */
import assert from "node:assert/strict";
import {
  billFor,
  LANE,
  NOW,
  openCreditsDesk,
  PAYER,
  permit,
  PRICE,
  refusalOf,
  SIGNER,
  TX,
} from "../../../worlds/chain/credits_desk.ts";
import type { Permit } from "../../permit.ts";
import { rowsOf } from "../ledger/rows.ts";

Deno.test("whether the escrow would take a permit is no matter of what is left to pay with", async () => {
  await using money = await openCreditsDesk(0n);
  const { scheme, escrow } = money;
  const fault = async (changes: Partial<Permit> = {}, account = PAYER) =>
    (await scheme.permitFault(await permit(changes, account)))?.shortMessage ?? null;
  assert.equal(await fault(), null);
  assert.match((await fault({ price: PRICE - 1n }))!, /the permit allows/);
  assert.match((await fault({ deadline: BigInt(NOW / 1_000) }))!, /deadline/);
  assert.match((await fault({ epoch: 1 }))!, /has not begun/);
  assert.match((await fault({}, SIGNER))!, /not the payer's/);
  const end = BigInt(NOW / 1_000) + 3_600n;
  escrow.change({ epochEnd: end, signer: SIGNER.address });
  money.payers.forget();
  assert.deepEqual([await fault({}, SIGNER), await fault({ epoch: 1 }, SIGNER)], [null, null]);
  assert.match((await fault())!, /not the payer's/);
  money.now = Number(end - 120n) * 1_000;
  assert.match((await fault({}, SIGNER))!, /taken the permits of this epoch back/);
  assert.equal(await fault({ epoch: 1 }, SIGNER), null);
});

Deno.test("a permit that nobody signed is refused before anything is asked of the chain", async () => {
  await using money = await openCreditsDesk(1n);
  const good = await permit();
  const fault = await money.scheme.permitFault({ ...good, signature: `0x${"00".repeat(65)}` });
  assert.equal(fault?.code, "payment_required");
  assert.equal(money.escrow.endpoint.reads, 0);
});

Deno.test("debts of an epoch that is over are settled by the next permit of the lane", async () => {
  await using money = await openCreditsDesk(10n);
  const { ledger, escrow, payers, admit } = money;
  const lane = { payer: PAYER.address, lane: LANE };
  const old = await permit();
  await money.pay(old);
  await ledger.record([{ fact: "refused", ...lane, reason: "WrongEpoch", transaction: TX }]);
  escrow.change({ epoch: 1 });
  payers.forget();
  await refusalOf(admit(billFor(old)));
  assert.deepEqual(await ledger.due(), []);
  const next = await permit({ epoch: 1 });
  await money.pay(next);
  const [due] = await ledger.due();
  assert.deepEqual([due!.lane, due!.epoch], [LANE, 1]);
  const { permits, charged, settled } = (await ledger.lane(due!))!;
  assert.deepEqual([permits.at(-1)!.permit, charged, settled], [next, 2n, 0n]);
});

Deno.test("a permit that dies soon takes over nothing that was promised by one that lasts", async () => {
  await using money = await openCreditsDesk(99n);
  const { ledger } = money;
  const good = await permit({ credits: 50n });
  const soon = BigInt(NOW / 1_000) + 125n;
  for (let call = 0; call < 49; call++) await money.pay(good);
  await money.pay(await permit({ credits: 51n, deadline: soon }));
  const keptBy = async () => {
    const lane = await ledger.lane({ payer: PAYER.address, lane: LANE });
    return rowsOf(lane!, null).map(({ charge }) => [charge.credits, charge.permit.deadline]);
  };
  assert.deepEqual(await keptBy(), [[50n, good.deadline]], "it was not needed");
  await money.pay(await permit({ credits: 51n, deadline: soon }));
  assert.deepEqual(await keptBy(), [[50n, good.deadline], [51n, soon]]);
});
