/** Credits that the escrow takes before each run (`settlement.mode` "each"). */
import assert from "node:assert/strict";
import {
  billFor,
  type CreditsDesk,
  LANE,
  openCreditsDesk,
  OTHER,
  PAYER,
  permit,
  refusalOf,
  SIGNER,
} from "../../../worlds/chain/credits_desk.ts";
import { KhachapuriError } from "../../errors.ts";
import type { CreditsBill } from "./bill.ts";

interface Taking {
  /** The bills that a credit was asked for. */
  readonly asked: CreditsBill[];
  /** What becomes of what is asked for; `mine` has the escrow take it. */
  take(bill: CreditsBill, mine: () => Promise<void>): Promise<void>;
}

/** A desk whose credits are taken at once and well, until `take` says otherwise. */
async function openTakingDesk(credits: bigint): Promise<CreditsDesk & Taking> {
  const desk: CreditsDesk = await openCreditsDesk(credits, {
    async consume(bill) {
      const { escrow, settle } = desk;
      money.asked.push(bill);
      await money.take(bill, () => settle(bill.lane, escrow.consumed(bill.lane) + 1n));
    },
  });
  const taking: Taking = { asked: [], take: (_bill, mine) => mine() };
  const money = Object.assign(desk, taking);
  return money;
}

/**
 * Has calls come at the same time. What they ask for is mined once `refused` of them have ended.
 * @returns how each ended: "held", or the code of its error
 */
async function race(
  money: CreditsDesk & Taking,
  bills: readonly CreditsBill[],
  refused: number,
): Promise<string[]> {
  const goesOn = Promise.withResolvers<void>();
  money.take = async (_bill, mine) => {
    await goesOn.promise;
    await mine();
  };
  let ended = 0;
  const call = (bill: CreditsBill) =>
    money.hold(bill).then(() => "held", (error) => {
      assert.ok(error instanceof KhachapuriError, String(error));
      return error.code;
    }).finally(() => {
      if (++ended === refused) goesOn.resolve();
    });
  return (await Promise.all(bills.map(call))).sort();
}

Deno.test("a bill is admitted for nothing, and its credit taken when the run is held", async () => {
  await using money = await openTakingDesk(5n);
  const { asked, admit, scheme, escrow } = money;
  const bill = billFor(await permit());
  const admission = await admit(bill);
  assert.deepEqual(asked, []);
  const held = await scheme.hold(admission);
  assert.deepEqual(asked, [bill]);
  assert.equal(escrow.consumed(LANE), 1n);
  const left = (await held.notice()).find(([name]) => name === "Khachapuri-Credits-Left");
  assert.equal(left?.[1], "4");
  await held.charge("answered", null);
  assert.equal(money.ledger.totals().unsettled, 0n);
});

Deno.test("a credit that no run used pays the lane's next call, whatever permit it shows", async () => {
  await using money = await openTakingDesk(5n);
  const { asked, hold, escrow } = money;
  (await hold(billFor(await permit()))).release("test");
  await money.pay(await permit({ credits: 50n }));
  assert.equal(asked.length, 1);
  await money.pay(await permit({ lane: OTHER }));
  await money.pay(await permit());
  assert.deepEqual([escrow.consumed(LANE), escrow.consumed(OTHER)], [2n, 1n]);
});

Deno.test("a prepaid credit is its own lane's, though another has none", async () => {
  await using money = await openTakingDesk(1n);
  const { hold } = money;
  (await hold(billFor(await permit()))).release("test");
  await refusalOf(hold(billFor(await permit({ lane: OTHER }))));
  await money.pay(await permit());
});

Deno.test("a credit that the escrow took late is held, though the permit has come too near its deadline", async () => {
  await using money = await openTakingDesk(5n);
  const { hold, asked } = money;
  money.take = async (_bill, mine) => {
    await mine();
    money.now += 30_000;
  };
  const bill = billFor(await permit({ deadline: BigInt(money.now) / 1000n + 125n }));
  const held = await hold(bill);
  await held.charge("answered", null);
  assert.equal(asked.length, 1);
  assert.equal(money.ledger.totals().unsettled, 0n);
  await refusalOf(hold(bill));
  assert.equal(asked.length, 1, "the permit is too near its deadline to be taken from again");
});

Deno.test("of two calls for the last prepaid credit of a permit one is refused, and none is taken", async () => {
  await using money = await openTakingDesk(5n);
  const { hold, admit, scheme, asked } = money;
  const bill = billFor(await permit({ credits: 1n }));
  (await hold(bill)).release("test");
  const admissions = [await admit(bill), await admit(bill)];
  await scheme.hold(admissions[0]!);
  assert.match((await refusalOf(scheme.hold(admissions[1]!))).shortMessage, /used up/);
  assert.equal(asked.length, 1);
});

Deno.test("calls at the same time never ask for more than the payer has left", async () => {
  await using money = await openTakingDesk(3n);
  const { hold, escrow, payers, asked } = money;
  const [own, other] = [billFor(await permit()), billFor(await permit({ lane: OTHER }))];
  assert.deepEqual(await race(money, [own, other, own, other, own, other], 3), [
    ...Array(3).fill("held"),
    ...Array(3).fill("overloaded"),
  ]);
  assert.equal(escrow.consumed(LANE) + escrow.consumed(OTHER), 3n);
  await refusalOf(hold(own));
  escrow.change({ credits: 1n });
  payers.forget(PAYER.address);
  await hold(own);
  assert.equal(asked.length, 4, "what is over is asked for no more");
});

Deno.test("nor for more than the permit is good for", async () => {
  await using money = await openTakingDesk(100n);
  const bill = billFor(await permit({ credits: 5n }));
  for (let call = 0; call < 3; call++) await money.pay(bill.permit);
  const ends = await race(money, [bill, bill, bill, bill], 2);
  assert.deepEqual(ends, ["held", "held", "overloaded", "overloaded"]);
  assert.equal(money.escrow.consumed(LANE), 5n);
});

Deno.test("a credit that could not be taken is not held, and others may ask for it", async () => {
  await using money = await openTakingDesk(1n);
  const { hold, ledger, asked } = money;
  const refusal = new KhachapuriError("payment_required", "the escrow refused the credit");
  money.take = () => Promise.reject(refusal);
  const bill = billFor(await permit());
  await assert.rejects(hold(bill), refusal);
  assert.deepEqual([asked.length, ledger.totals().held], [1, 0n]);
  money.take = (_bill, mine) => mine();
  await hold(bill);
});

Deno.test("what was taken is used, though the chain cannot be read afterwards", async () => {
  await using money = await openTakingDesk(5n);
  const { hold, escrow, asked } = money;
  money.take = async (_bill, mine) => {
    await mine();
    escrow.endpoint.isSilent = true;
  };
  const held = await hold(billFor(await permit()));
  await held.charge("answered", null);
  assert.equal(asked.length, 1);
  // There is nothing taken for the next one, and no word of the chain.
  await assert.rejects(hold(billFor(await permit())), { code: "chain_unavailable" });
  assert.equal(asked.length, 1);
});

Deno.test("an admission that the chain has overtaken is judged again before a credit is taken", async () => {
  await using money = await openTakingDesk(5n);
  const { admit, scheme, escrow, payers, asked } = money;
  const bill = billFor(await permit());
  const [first, second, third] = [await admit(bill), await admit(bill), await admit(bill)];
  escrow.change({ credits: 0n });
  payers.forget(PAYER.address);
  assert.match((await refusalOf(scheme.hold(first))).shortMessage, /no credits left/);
  escrow.change({ credits: 5n, signer: SIGNER.address });
  payers.forget(PAYER.address);
  assert.match((await refusalOf(scheme.hold(second))).shortMessage, /not the payer's/);
  assert.deepEqual(asked, []);
  escrow.change({ signer: PAYER.address });
  payers.forget(PAYER.address);
  await scheme.hold(third);
  assert.equal(asked.length, 1);
});

Deno.test("an owner's credit is taken first too, and what is left is noted", async () => {
  await using money = await openTakingDesk(5n);
  await money.hold(billFor(await permit(), "owner"));
  assert.equal(money.asked.length, 1);
  assert.deepEqual(money.notes, [{ owner: PAYER.address, available: 4n }]);
});
