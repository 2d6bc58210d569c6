/** How far the chain is asked for a call, by who signed for it. */
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

/** A key that the payer never named. */
const forged = () => permit({ lane: OTHER }, SIGNER);

Deno.test("a permit without a signature is refused before anything is asked", async () => {
  await using money = await openCreditsDesk(5n);
  const { escrow, admit, scheme } = money;
  const unsigned = { ...await permit(), signature: `0x${"00".repeat(65)}` as const };
  const { shortMessage } = await refusalOf(admit(billFor(unsigned)));
  assert.match(shortMessage, /carries no signature/);
  await refusalOf(scheme.count(unsigned));
  assert.equal(escrow.endpoint.reads, 0);
});

Deno.test("who is neither the payer nor its signer is refused on what is known", async () => {
  await using money = await openCreditsDesk(5n);
  const { escrow, admit, scheme } = money;
  await money.pay(await permit());
  money.now += 30_000;
  for (let n = 0; n < 200; n++) {
    const { hints } = await refusalOf(admit(billFor(await forged())));
    assert.match(hints.join(), new RegExp(PAYER.address));
  }
  await refusalOf(scheme.count(await forged()));
  assert.ok(await scheme.permitFault(await forged()));
  assert.equal(escrow.endpoint.reads, 1);
});

Deno.test("one credit left fixes who signs as well", async () => {
  await using money = await openCreditsDesk(1n);
  const { escrow, admit } = money;
  await admit(billFor(await permit()));
  for (let n = 0; n < 3; n++) await refusalOf(admit(billFor(await forged())));
  assert.equal(escrow.endpoint.reads, 1);
});

Deno.test("what another block may change is no answer while the chain is silent", async () => {
  await using money = await openCreditsDesk(1n);
  const { escrow, admit } = money;
  const own = billFor(await permit());
  await money.pay(own.permit);
  await refusalOf(admit(own));
  money.now += 501;
  escrow.endpoint.isSilent = true;
  await assert.rejects(admit(own), { code: "chain_unavailable" });
  escrow.endpoint.isSilent = false;
  await refusalOf(admit(own));
});

Deno.test("with no credits left anybody may have been named: the chain is asked, so often", async () => {
  await using money = await openCreditsDesk(1n);
  const { escrow, admit, payers, hold } = money;
  await money.pay(await permit());
  escrow.settle(LANE, 1n);
  payers.forget(PAYER.address);
  await refusalOf(admit(billFor(await permit())));
  money.now += 1_000;
  escrow.change({ credits: 3n, signer: SIGNER.address });
  const named = await permit({}, SIGNER);
  await (await hold(billFor(named))).charge("answered", null);
});

Deno.test("nothing that the payer cannot change on chain is asked again before a no", async () => {
  await using money = await openCreditsDesk(5n);
  const { escrow, admit } = money;
  await money.pay(await permit({ credits: 1n }));
  money.now += 30_000;
  const noes = [
    await permit({ credits: 1n }),
    await permit({ price: PRICE - 1n }),
    await permit({ deadline: 1n }),
  ];
  for (const no of noes) await refusalOf(admit(billFor(no)));
  assert.equal(escrow.endpoint.reads, 1);
});

Deno.test("who is told no over and over has it on the last look, however often it asks", async () => {
  await using money = await openCreditsDesk(1n);
  const { escrow, admit } = money;
  const own = await permit();
  await money.pay(own);
  for (let n = 0; n < 100; n++) {
    money.now += 501;
    const { shortMessage } = await refusalOf(admit(billFor(own)));
    assert.match(shortMessage, /no credits left/);
  }
  // Twenty at once, and one a second.
  assert.ok(escrow.endpoint.reads <= 1 + 20 + 51, `${escrow.endpoint.reads}`);
});
