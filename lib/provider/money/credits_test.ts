import assert from "node:assert/strict";
import type { Hex } from "viem";
import {
  billFor,
  CID,
  LANE,
  NOW,
  openCreditsDesk,
  OTHER,
  PAYER,
  permit,
  PRICE,
  refusalOf,
  SIGNER,
  TX,
} from "../../../worlds/chain/credits_desk.ts";
import { proofOf } from "../../lane_count.ts";
import { PAYER_LANES_MAX } from "../../limits.ts";
import type { DepositAuthorization } from "../../deposit_authorization.ts";
import { type Entry, laneOf } from "../ledger/journal.ts";
import { rowsOf } from "../ledger/rows.ts";
import { readJournal } from "../ledger/store.ts";
import { CREDITS_LEFT_HEADER } from "../../credits_headers.ts";
import type { Hold } from "./scheme.ts";

/** What the payer has left once a hold is charged, as its notice says. */
async function leftAfter(hold: Hold): Promise<number> {
  const left = (await hold.notice()).find(([name]) => name === CREDITS_LEFT_HEADER)?.[1];
  return Number(left);
}

Deno.test("a caller that proves itself learns its lane's count with every no", async () => {
  await using money = await openCreditsDesk(2n);
  const { admit, hold } = money;
  const used = await permit({ credits: 1n });
  await money.pay(used);
  const held = await hold(billFor(await permit({ credits: 2n })));
  const lane = { id: LANE, cumulative: 2n, proof: proofOf(used), unsettled: 2n };
  const past = BigInt(NOW / 1000);
  for (const change of [{ credits: 1n }, { deadline: past }, { price: 1n }, { credits: 3n }]) {
    const shown = await permit(change);
    const error = await refusalOf(admit(billFor(shown)));
    assert.deepEqual(error.lane, lane);
    const isUsedUp = shown.signature === used.signature;
    assert.equal(JSON.stringify(error.toJSON()).includes(shown.signature), isUsedUp);
  }
  await held.release("test");
  const unknown = billFor(await permit({ lane: OTHER, deadline: past }));
  const { lane: other } = await refusalOf(admit(unknown));
  assert.deepEqual(other, { id: OTHER, cumulative: 0n, unsettled: 1n });
});

Deno.test("a call soon after another finds its credit held, and another lane may still have it", async () => {
  await using money = await openCreditsDesk(4n);
  const { hold, path } = money;
  const own = await permit();
  for (let call = 0; call < 3; call++) await money.pay(own);
  const kinds = readJournal(path, { lane: LANE }).map(({ kind }) => kind);
  const [first, second] = [["open", "permit", "reserve", "charge"], ["reserve", "charge"]];
  assert.deepEqual(kinds, [...first, ...second, "reserve", "reserve", "charge"]);
  const other = await hold(billFor(await permit({ lane: OTHER })));
  assert.equal(await leftAfter(other), 0);
  assert.equal(readJournal(path, { lane: LANE }).at(-1)?.kind, "release");
  await refusalOf(hold(billFor(own)));
  await other.charge("answered", null);
});

Deno.test("what is held ahead is no promise: calls that come at once get what is left", async () => {
  await using money = await openCreditsDesk(20n);
  const { hold, escrow, payers } = money;
  const bill = billFor(await permit());
  for (let round = 0; round < 2; round++) {
    const held = await Promise.all(Array.from({ length: 4 }, () => hold(bill)));
    await Promise.all(held.map((each) => each.charge("answered", null)));
  }
  escrow.state.block += 1n;
  escrow.state.credits = 8n + 1n;
  payers.forget(PAYER.address);
  const tries = await Promise.allSettled(Array.from({ length: 4 }, () => hold(bill)));
  assert.equal(tries.filter(({ status }) => status === "fulfilled").length, 1);
});

Deno.test("while the chain is silent, what is held ahead takes nothing of what may be served", async () => {
  await using money = await openCreditsDesk(100n, {
    offlineAmount: 10n * PRICE,
    viewAgeMs: () => -1,
  });
  const { hold, escrow } = money;
  const bill = billFor(await permit());
  const held = await Promise.all(Array.from({ length: 3 }, () => hold(bill)));
  await Promise.all(held.map((each) => each.charge("answered", null)));
  escrow.endpoint.isSilent = true;
  let served = 3;
  while (
    await hold(bill).then((each) => each.charge("answered", null)).then(
      () => true,
      () => false,
    )
  ) served += 1;
  assert.equal(served, 10);
});

Deno.test("nobody else learns anything", async () => {
  await using money = await openCreditsDesk(1n);
  const { admit, scheme } = money;
  const first = await permit({ credits: 1n });
  await money.pay(first);
  const forged = billFor(await permit({ credits: 1n }, SIGNER));
  assert.deepEqual((await refusalOf(admit(forged))).lane, undefined);
  const altered = billFor({ ...first, credits: 5n });
  assert.deepEqual((await refusalOf(admit(altered))).lane, undefined);
  await assert.rejects(scheme.count(altered.permit), { code: "payment_required" });
  assert.equal((await scheme.count(first)).cumulative, 1n);
  const owner = await refusalOf(admit(billFor(first, "owner")));
  assert.deepEqual(owner.lane, undefined);
  assert.doesNotMatch(owner.shortMessage, /used up/);
});

Deno.test("a settlement that the view does not know leaves what may be promised as it is", async () => {
  await using money = await openCreditsDesk(10n);
  const { escrow, payers, hold, settle } = money;
  // A lane that is level when the view is read is not part of it.
  await money.pay(await permit({ lane: OTHER }));
  await settle(OTHER, 1n);
  payers.forget();
  await money.pay(await permit());
  for (let i = 0; i < 8; i++) await money.pay(await permit({ lane: OTHER }));
  await settle(OTHER, 9n);
  const error = await refusalOf(hold(billFor(await permit({ lane: OTHER }))));
  assert.match(error.shortMessage, /no credits left/);
  payers.forget();
  await refusalOf(hold(billFor(await permit())));
  await settle(LANE, 1n);
  assert.equal(escrow.state.credits, 0n);
});

Deno.test("what was served is settled with the permit that it was served on", async () => {
  await using money = await openCreditsDesk(50n);
  const { ledger } = money;
  const dying = BigInt(NOW / 1000) + 130n;
  await money.pay(await permit({ credits: 1_000n, deadline: dying }));
  // Fewer credits than the first, but alive when the batch is sent.
  const lasting = await permit({ credits: 500n });
  await money.pay(lasting);
  const lane = laneOf(ledger.store.book, PAYER.address, LANE)!;
  assert.deepEqual(rowsOf(lane, null).map(({ charge }) => charge.permit), [lasting]);
});

Deno.test("a permit of a former signer does not stay on the lane", async () => {
  await using money = await openCreditsDesk(1n);
  const { escrow, ledger, payers } = money;
  await money.pay(await permit({ credits: 1_000n }));
  escrow.settle(LANE, 1n);
  Object.assign(escrow.state, { credits: 5n, signer: SIGNER.address });
  payers.forget();
  const next = await permit({ credits: 500n }, SIGNER);
  await money.pay(next);
  const { permits } = laneOf(ledger.store.book, PAYER.address, LANE)!;
  assert.deepEqual(permits, [{ permit: next, signer: SIGNER.address }]);
});

Deno.test("a cheaper permit cannot replace the one that unsettled calls need", async () => {
  await using money = await openCreditsDesk(50n);
  const { hold, settle } = money;
  await money.pay(await permit({ credits: 1n }));
  const cheap = { ...billFor(await permit({ credits: 200n, price: 10n })), price: 10n };
  const { shortMessage } = await refusalOf(hold(cheap));
  assert.match(shortMessage, /earlier calls on this lane cost 0\.001 USDC/);
  await settle(LANE, 1n);
  await (await hold(cheap)).charge("answered", null);
});

Deno.test("a payer has no more lanes than there is room for", async () => {
  await using money = await openCreditsDesk(9_999n);
  const { hold, ledger } = money;
  const payer = PAYER.address;
  const laneAt = (n: number): Hex => `0x${String(n).padStart(64, "0")}`;
  const lanes = Array.from({ length: PAYER_LANES_MAX }, (_, n) => laneAt(n));
  await ledger.store.write(
    lanes.flatMap((lane): Entry[] => [
      { kind: "open", payer, lane, charged: 1n },
      { kind: "settle", payer, lane, settled: 0n, block: 0n, transaction: null },
    ]),
    "disk",
  );
  const other = await permit({ lane: OTHER });
  const { shortMessage, hints } = await refusalOf(hold(billFor(other)));
  assert.match(shortMessage, /^1024 lanes are not settled/);
  assert.match(hints[0]!, /a lane that is settled makes room/);
  await money.pay(await permit({ lane: laneAt(7) }));
  await ledger.record([{ fact: "level", payer, lane: laneAt(8), settled: 1n, block: 1n }]);
  await money.pay(other);
});

Deno.test("an endpoint that hides what was taken cannot make us take it for ever", async () => {
  let consumed = 0;
  const consume = () => {
    consumed += 1;
    return Promise.resolve();
  };
  await using money = await openCreditsDesk(100n, { consume });
  const { hold } = money;
  await assert.rejects(hold(billFor(await permit())), {
    code: "chain_unavailable",
  });
  assert.ok(consumed < 10, `${consumed} credits were taken`);
});

Deno.test("a charge is in the book before it is answered, and on disk where it is signed", async () => {
  await using money = await openCreditsDesk(50n);
  const { hold, ledger, path } = money;
  const charges = () => readJournal(path, {}).filter(({ kind }) => kind === "charge").length;
  const owners = await hold(billFor(await permit(), "owner"));
  assert.ok(ledger.store.isOnDisk(ledger.store.mark()), "held on disk before the program starts");
  await owners.charge("answered", null);
  assert.equal(charges(), 1);
  assert.ok(!ledger.store.isOnDisk(ledger.store.mark()), "nobody waits for the disk");
  const callers = await hold(billFor(await permit({ lane: OTHER })));
  const hashes = { requestHash: null, responseHash: "0x00" } as const;
  await callers.charge("answered", { ...hashes, credits: 1, startedAt: NOW, durationMs: 1 });
  assert.ok(ledger.store.isOnDisk(ledger.store.mark()));
  assert.equal(charges(), 2);
  const receipted = ledger.store.receipted(callers.reservation);
  assert.deepEqual([receipted?.facts.price, receipted?.facts.cid], [PRICE, CID]);
  assert.equal(ledger.store.receipted(owners.reservation), undefined);
});

Deno.test("who was admitted is judged again once the chain says something else", async () => {
  await using money = await openCreditsDesk(5n);
  const { admit, hold, escrow, payers } = money;
  const bill = billFor(await permit());
  await admit(bill);
  await (await hold(bill)).charge("answered", null);
  const next = billFor(await permit());
  await admit(next);
  escrow.state.block += 1n;
  escrow.state.credits = 1n;
  payers.forget(PAYER.address);
  await refusalOf(hold(next));
});

Deno.test("a caller's answer says in its head what was charged, what is left and where the receipt is", async () => {
  await using money = await openCreditsDesk(5n);
  const bill = billFor(await permit());
  await money.pay(bill.permit);
  const held = await money.hold(bill);
  const response = `{"success":true,"transaction":"","network":"eip155:31337",` +
    `"payer":"${PAYER.address}","amount":"",` +
    `"extra":{"chargedCredits":"1","cumulativeCredits":"2","availableCredits":"3"}}`;
  assert.deepEqual(await held.notice(), [
    ["PAYMENT-RESPONSE", btoa(response)],
    ["Khachapuri-Receipt", `/receipts/${held.reservation}`],
    ["Khachapuri-Credits-Left", "3"],
    [
      "access-control-expose-headers",
      "PAYMENT-RESPONSE, Khachapuri-Receipt, Khachapuri-Credits-Left",
    ],
  ]);
});

Deno.test("where the owner pays the answer says nothing, and what the owner has left is noted", async () => {
  await using money = await openCreditsDesk(5n);
  const { hold, notes } = money;
  await hold(billFor(await permit()));
  assert.deepEqual(notes, []);
  const held = await hold(billFor(await permit({ lane: OTHER }), "owner"));
  assert.deepEqual(await held.notice(), []);
  assert.deepEqual(notes, [{ owner: PAYER.address, available: 3n }]);
});

Deno.test("a charge is told to whoever settles, a release is not, and either ends the hold", async () => {
  await using money = await openCreditsDesk(2n);
  const { hold, ledger } = money;
  const own = await permit();
  const released = await hold(billFor(own));
  assert.equal(ledger.totals().held, PRICE);
  released.release("test");
  assert.deepEqual([money.charges, ledger.totals().held], [0, 0n]);
  await money.pay(own);
  assert.equal(money.charges, 1);
  const { unsettled, held, preheld } = ledger.totals();
  assert.deepEqual([unsettled, held - preheld], [PRICE, 0n]);
});

Deno.test("a payer that proves itself may ask for what was paid, and learns its count, with nothing left", async () => {
  await using money = await openCreditsDesk(3n);
  const { scheme, hold, admit } = money;
  const used = await permit({ credits: 1n });
  assert.equal((await scheme.count(used)).cumulative, 0n);
  await money.pay(used);
  await refusalOf(admit(billFor(used)));
  await scheme.prove(billFor(used));
  await hold(billFor(await permit({ credits: 2n })));
  assert.equal((await scheme.count(used)).cumulative, 2n, "what a run holds counts");
  const forged = await permit({ credits: 1n }, SIGNER);
  await refusalOf(scheme.prove(billFor(forged)));
  await refusalOf(scheme.count(forged));
});

Deno.test("an offer names the lane of who proved to be its payer, and of nobody else", async () => {
  await using money = await openCreditsDesk(0n);
  const { extra } = money.scheme.offer() as unknown as { extra: Record<string, unknown> };
  assert.ok(!("lane" in extra) && !("cumulative" in extra));
  const own = money.scheme.offer({
    lane: { id: LANE, cumulative: 7n },
    creditsMax: 4,
  }) as unknown as { extra: object };
  assert.deepEqual(own.extra, { ...extra, lane: LANE, cumulative: "7", creditsMax: 4 });
});

const DEPOSIT: DepositAuthorization = {
  amount: 5_000n,
  validAfter: 0n,
  validBefore: 1n,
  pricePerCredit: PRICE,
  credits: 5n,
  signer: PAYER.address,
  salt: LANE,
  signature: `0x${"04".repeat(65)}`,
};

Deno.test("a deposit is relayed for who is refused, who is judged again and told of it", async () => {
  await using money = await openCreditsDesk(0n);
  const { admit, scheme, escrow, payers } = money;
  const relayed: unknown[] = [];
  money.relay = (payer, deposit) => {
    relayed.push([payer, deposit]);
    escrow.change({ credits: 5n });
    payers.forget(payer);
    return Promise.resolve(TX);
  };
  const own = await permit();
  await refusalOf(admit(billFor(own)));
  assert.deepEqual(relayed, []);
  const admission = await admit({ ...billFor(own), deposit: DEPOSIT });
  assert.deepEqual(relayed, [[PAYER.address, DEPOSIT]]);
  assert.equal(admission.deposited, TX);
  const [[, response]] = await (await scheme.hold(admission)).notice() as [[string, string]];
  assert.equal(JSON.parse(atob(response)).transaction, TX);
  const next = await admit({ ...billFor(own), deposit: DEPOSIT });
  assert.equal(next.deposited, null);
  assert.equal(relayed.length, 1, "there were credits left");
});

Deno.test("a deposit that does not help is relayed once, and one that fails says why", async () => {
  await using money = await openCreditsDesk(0n);
  let relayed = 0;
  money.relay = (payer) => {
    relayed += 1;
    money.escrow.change({ signer: SIGNER.address });
    money.payers.forget(payer);
    return Promise.resolve(TX);
  };
  const bill = { ...billFor(await permit()), deposit: DEPOSIT };
  const { shortMessage } = await refusalOf(money.admit(bill));
  assert.match(shortMessage, /not the payer's/, "what is so now, not what was before");
  assert.equal(relayed, 1);
  const late = new Error("not mined in time");
  money.relay = () => Promise.reject(late);
  await assert.rejects(money.admit(bill), late);
});

Deno.test("no deposit is relayed for a bill that a deposit cannot help", async () => {
  await using money = await openCreditsDesk(50n);
  let relayed = 0;
  money.relay = () => {
    relayed += 1;
    return Promise.resolve(TX);
  };
  await money.pay(await permit({ credits: 1n }));
  const price = PRICE / 2n;
  const cheaper = { ...billFor(await permit({ price })), price, deposit: DEPOSIT };
  assert.match((await refusalOf(money.admit(cheaper))).shortMessage, /not settled/);
  for (const terms of [{ price: 1n }, { deadline: 1n }, { epoch: 7 }, { credits: 0n }]) {
    const bill = { ...billFor(await permit({ lane: OTHER, ...terms })), deposit: DEPOSIT };
    await refusalOf(money.admit(bill));
  }
  assert.equal(relayed, 0);
});

Deno.test("who is refused after its deposit was mined is told of the transaction", async () => {
  await using money = await openCreditsDesk(0n);
  money.relay = () => Promise.resolve(TX);
  const refusal = await refusalOf(money.admit({ ...billFor(await permit()), deposit: DEPOSIT }));
  assert.equal(refusal.data.transaction, TX);
  assert.match(refusal.hints[0]!, /the deposit was mined and is yours/);
});
