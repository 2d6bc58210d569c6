import assert from "node:assert/strict";
import {
  billFor,
  LANE,
  OFFER,
  openCreditsDesk,
  OTHER,
  permit,
  refusalOf,
  SIGNER,
} from "../../../worlds/chain/credits_desk.ts";
import { proofOf } from "../../lane_count.ts";
import { encodePaymentHeader } from "../../payment_header.ts";
import { UINT128_MAX } from "../../permit.ts";

Deno.test("a count comes with a permit that is used up, and never with one that has a credit", async () => {
  await using money = await openCreditsDesk(9n);
  const { scheme, hold, admit } = money;
  const permits = await Promise.all([1n, 2n, 3n].map((credits) => permit({ credits })));
  const proofs = permits.map(proofOf);
  const asked = await permit({ credits: 0n });
  assert.deepEqual(await scheme.count(asked), { id: LANE, cumulative: 0n, unsettled: 0n });
  const runs = [await hold(billFor(permits[0]!)), await hold(billFor(permits[1]!))];
  assert.equal((await scheme.count(asked)).proof, undefined, "what a run holds may be released");
  await runs[0]!.charge("answered", null);
  assert.deepEqual(await scheme.count(asked), {
    id: LANE,
    cumulative: 2n,
    proof: proofs[0],
    unsettled: 2n,
  });
  const told = { id: LANE, cumulative: 2n, proof: proofs[0], unsettled: 2n };
  assert.deepEqual((await refusalOf(admit(billFor(permits[1]!)))).lane, told);
  runs[1]!.release("test");
  await money.pay(permits[1]!);
  assert.deepEqual((await refusalOf(admit(billFor(asked)))).lane?.proof, proofs[1]);
  const elsewhere = await permit({ credits: 0n, lane: OTHER });
  assert.deepEqual(await scheme.count(elsewhere), { id: OTHER, cumulative: 0n, unsettled: 2n });
});

Deno.test("what is unsettled is what calls took of all lanes, less what the escrow has taken", async () => {
  await using money = await openCreditsDesk(50n);
  const { scheme, ledger, settle } = money;
  const asked = await permit({ credits: 0n });
  const unsettled = async () => (await scheme.count(asked)).unsettled;
  await money.pay(await permit({ lane: OTHER }));
  const held = await money.hold(billFor(await permit({ lane: OTHER })));
  for (let calls = 0; calls < 4; calls++) await money.pay(await permit());
  assert.ok(ledger.totals().preheld > 0n, "some wait for calls that have not come");
  assert.equal(await unsettled(), 6n);
  await settle(LANE, 3n);
  assert.equal(await unsettled(), 3n);
  held.release("test");
  assert.equal(await unsettled(), 2n);
  await settle(LANE, 9n);
  assert.equal(await unsettled(), 1n, "what the escrow took ahead makes up for no other lane's");
});

Deno.test("only the payer's own proof is handed out, not that of a signer it has dismissed", async () => {
  await using money = await openCreditsDesk(9n);
  await money.pay(await permit({ credits: 1n }));
  money.escrow.change({ signer: SIGNER.address });
  money.now += 60_001;
  const told = await money.scheme.count(await permit({ credits: 0n }, SIGNER));
  assert.deepEqual(told, { id: LANE, cumulative: 1n, unsettled: 1n });
});

Deno.test("an owner's permit proves nothing and learns nothing, nor does its guest", async () => {
  await using money = await openCreditsDesk(1n);
  const owned = new Set<string>();
  money.isDeploymentLane = (_, lane) => owned.has(lane);
  const own = await permit({ credits: 1n });
  await money.pay(own);
  assert.equal((await refusalOf(money.admit(billFor(own, "owner")))).lane, undefined);
  await refusalOf(money.scheme.count(await permit({ credits: UINT128_MAX })));
  assert.equal((await money.scheme.count(own)).cumulative, 1n);
  owned.add(LANE);
  const refusal = await refusalOf(money.scheme.count(own));
  assert.match(refusal.message, /a deployment's permit/);
});

Deno.test("who had calls here is known by its permit, and signatures are looked at as allowed", async () => {
  await using money = await openCreditsDesk(9n);
  const headerOf = async (signer?: typeof SIGNER) => {
    const held = await permit({ credits: 1n }, signer);
    return new Headers({
      "PAYMENT-SIGNATURE": encodePaymentHeader({ permit: held, accepted: OFFER }),
    });
  };
  const own = await headerOf();
  const known = (headers: Headers, mayRecover = true) =>
    money.scheme.provenPayer(headers, () => mayRecover);
  assert.equal(await known(own), null, "no call yet");
  const paid = await permit({ credits: 1n });
  await money.pay(paid);
  const { payer } = paid;
  assert.equal(await known(own, false), payer, "its signature was seen");
  assert.equal(await known(await headerOf(SIGNER)), null, "somebody else signed");
  assert.equal(await known(new Headers()), null);
  assert.equal(await known(new Headers({ "PAYMENT-SIGNATURE": "junk" })), null);
});
