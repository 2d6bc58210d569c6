/** How old a word of the chain a credit may be held on, and what is done without one. */
import assert from "node:assert/strict";
import {
  billFor,
  LANE,
  openCreditsDesk,
  OTHER,
  PAYER,
  permit,
  PRICE,
  refusalOf,
  SIGNER,
} from "../../../worlds/chain/credits_desk.ts";

/** How old a view may be, ms. */
const AGE_MS = 60_000;

Deno.test("a yes is said on a view that is not too old, and the chain is not asked", async () => {
  await using money = await openCreditsDesk(100n, { viewAgeMs: () => AGE_MS });
  const { escrow } = money;
  const own = await permit();
  await money.pay(own);
  assert.equal(escrow.endpoint.reads, 1);
  money.now += AGE_MS;
  await money.pay(own);
  assert.equal(escrow.endpoint.reads, 1);
  money.now += 1;
  await money.pay(own);
  assert.equal(escrow.endpoint.reads, 2);
});

Deno.test("a no is said on a view of just now: the payer may have allowed more", async () => {
  await using money = await openCreditsDesk(1n);
  const { escrow, admit } = money;
  const own = await permit();
  await money.pay(own);
  escrow.change({ credits: 5n });
  // Who is refused over and over does not make us ask each time.
  money.now += 499;
  await refusalOf(admit(billFor(own)));
  assert.equal(escrow.endpoint.reads, 1);
  money.now += 2;
  await admit(billFor(own));
  assert.equal(escrow.endpoint.reads, 2);
});

Deno.test("so is a no to whoever holds what was admitted", async () => {
  await using money = await openCreditsDesk(1n);
  const { escrow, admit, scheme } = money;
  const own = await permit();
  const admissions = [await admit(billFor(own)), await admit(billFor(own))];
  await scheme.hold(admissions[0]!);
  escrow.change({ credits: 2n });
  money.now += 501;
  await scheme.hold(admissions[1]!);
  assert.equal(escrow.endpoint.reads, 2);
});

Deno.test("an admission that has grown too old is judged again, on what the chain says now", async () => {
  await using money = await openCreditsDesk(5n, { viewAgeMs: () => AGE_MS });
  const { escrow, admit, scheme, ledger } = money;
  const own = await permit();
  const [first, second] = [await admit(billFor(own)), await admit(billFor(own))];
  escrow.change({ credits: 0n });
  money.now += AGE_MS;
  await scheme.hold(first);
  money.now += 1;
  const { shortMessage } = await refusalOf(scheme.hold(second));
  assert.match(shortMessage, /no credits left/);
  assert.equal(ledger.totals().held, PRICE, "nothing is held for who is refused");
});

Deno.test("who may sign is looked at again once the chain was read anew", async () => {
  await using money = await openCreditsDesk(5n);
  const { escrow, payers, admit, scheme } = money;
  const bill = billFor(await permit());
  const admission = await admit(bill);
  escrow.change({ signer: SIGNER.address });
  payers.forget(PAYER.address);
  const { shortMessage, lane } = await refusalOf(scheme.hold(admission));
  assert.match(shortMessage, /signature is not the payer's/);
  assert.equal(lane, undefined);
  await (await money.hold(billFor(await permit({}, SIGNER)))).charge("answered", null);
});

Deno.test("while the chain is silent only lanes are served that had a call, on what it said last", async () => {
  await using money = await openCreditsDesk(5n, {
    viewAgeMs: () => -1,
    offlineAmount: 100n * PRICE,
  });
  const { escrow, admit, scheme } = money;
  const own = await permit();
  await admit(billFor(own));
  escrow.endpoint.isSilent = true;
  await assert.rejects(admit(billFor(own)), { code: "chain_unavailable" });
  escrow.endpoint.isSilent = false;
  await money.pay(own);
  escrow.endpoint.isSilent = true;
  await money.pay(own);
  assert.equal((await scheme.count(own)).cumulative, 2n);
  const other = billFor(await permit({ lane: OTHER }));
  await assert.rejects(admit(other), { code: "chain_unavailable" });
});

Deno.test("what is served in that time, and what runs hold meanwhile, keeps below the amount", async () => {
  await using money = await openCreditsDesk(50n, {
    viewAgeMs: () => -1,
    offlineAmount: 3n * PRICE,
  });
  const { escrow, hold, ledger, settle } = money;
  const bill = billFor(await permit());
  await money.pay(bill.permit);
  escrow.endpoint.isSilent = true;
  const held = await hold(bill);
  await (await hold(bill)).charge("answered", null);
  assert.equal(ledger.totals().held - ledger.totals().preheld, PRICE);
  await assert.rejects(hold(bill), { code: "chain_unavailable" });
  held.release("test");
  await money.pay(bill.permit);
  await assert.rejects(hold(bill), { code: "chain_unavailable" });
  // What is settled is owed no more.
  await settle(LANE, 1n);
  await hold(bill);
});
