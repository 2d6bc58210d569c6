/** Relayed deposits, with an operator that does as the test says. */
import assert from "node:assert/strict";
import { mock } from "node:test";
import type { ContractCall } from "../../chain/client.ts";
import { ESCROW_MESSAGES } from "../../chain/escrow_call.ts";
import { KhachapuriError } from "../../errors.ts";
import { RELAY_TIMEOUT_MS } from "../../limits.ts";
import type { DepositAuthorization } from "../../deposit_authorization.ts";
import {
  ANNA,
  BERT,
  CARL,
  depositOf,
  DORA,
  ESCROW,
  MINED,
  NOW,
  openDesk,
  PRICE,
  PROVIDER,
  required,
  turn,
  TX,
} from "../../../worlds/chain/onboarding_desk.ts";

Deno.test("a deposit is sent as it was signed, and its payer is read anew once it is mined", async () => {
  const desk = openDesk();
  const deposit = await depositOf();
  const mined = Promise.withResolvers<typeof MINED>();
  desk.mine = () => mined.promise;
  const relayed = desk.relay(ANNA, deposit);
  await desk.untilSent(1);
  assert.deepEqual(desk.forgotten, []);
  mined.resolve(MINED);
  assert.equal(await relayed, TX);
  const [{ address, functionName, args, messages }] = desk.sent as [ContractCall];
  assert.deepEqual([address, functionName], [ESCROW, "depositAndAllow"]);
  assert.equal(messages, ESCROW_MESSAGES, "a refusal is worded");
  const { amount, validAfter, validBefore, pricePerCredit, credits, signer, salt } = deposit;
  const allowed = [PROVIDER, pricePerCredit, credits, signer];
  const asSigned = [ANNA.address, amount, validAfter, validBefore, ...allowed];
  assert.deepEqual(args, [...asSigned, salt, deposit.signature]);
  assert.deepEqual(desk.forgotten, [ANNA.address]);
  const { message, payer, amount: told, transaction } = JSON.parse(desk.lines[0]!);
  assert.deepEqual([message, payer, told, transaction], [
    "deposit relayed",
    ANNA.address,
    "500000",
    TX,
  ]);
});

Deno.test("what is not worth the gas is told before the chain is asked, the first fault first", async () => {
  const good = await depositOf();
  const faults: [Partial<DepositAuthorization>, RegExp][] = [
    [{ pricePerCredit: PRICE - 1n }, /allows 0\.000999 USDC a credit, a credit costs 0\.001$/],
    [
      { credits: 99n },
      /locks at least 0\.1 USDC more than before for this provider, this one 0\.099$/,
    ],
    [{ validBefore: NOW + 30n }, /not valid yet, or not for long enough/],
    [{ signature: `0x${"11".repeat(65)}` }, /the deposit is not signed by the payer$/],
  ];
  for (const [index, [, message]] of faults.entries()) {
    const desk = openDesk();
    const deposit = Object.assign({}, good, ...faults.slice(index).map(([fault]) => fault));
    await assert.rejects(desk.relay(ANNA, deposit), required(message));
    const closed = openDesk({ enabled: false });
    await assert.rejects(closed.relay(ANNA, deposit), required(/relays no deposits$/));
    assert.deepEqual([...desk.sent, ...closed.sent], []);
  }
});

Deno.test("a dearer credit may be worth the minimum with fewer of them", async () => {
  const desk = openDesk();
  const dear = { ...await depositOf(), pricePerCredit: 2n * PRICE, credits: 50n };
  await assert.rejects(desk.relay(ANNA, dear), required(/not signed/));
});

Deno.test("a deposit must be valid now, and until it can be mined", async () => {
  const good = await depositOf();
  const times = [
    { validAfter: NOW, isInTime: false },
    { validAfter: NOW - 1n, isInTime: true },
    { validBefore: NOW + 30n, isInTime: false },
    { validBefore: NOW + 31n, isInTime: true },
  ];
  for (const { isInTime, ...time } of times) {
    const why = isInTime ? /not signed/ : /not valid yet, or not for long enough/;
    await assert.rejects(openDesk().relay(ANNA, { ...good, ...time }), required(why));
  }
});

Deno.test("a deposit is the payer's that signed it, whatever else it says", async () => {
  const desk = openDesk();
  const good = await depositOf();
  await assert.rejects(desk.relay(BERT, good), required(/not signed by the payer/));
  const changes: Partial<DepositAuthorization>[] = [
    { amount: 500_001n },
    { validAfter: 1n },
    { validBefore: good.validBefore + 1n },
    { pricePerCredit: PRICE + 1n },
    { credits: 101n },
    { signer: BERT.address },
    { salt: TX },
  ];
  for (const change of changes) {
    await assert.rejects(desk.relay(ANNA, { ...good, ...change }), required(/not signed/));
  }
  assert.deepEqual(desk.sent, []);
});

Deno.test("deposits of one payer at the same time share one transaction, and no junk gets it", async () => {
  const desk = openDesk();
  const mined = Promise.withResolvers<typeof MINED>();
  desk.mine = () => mined.promise;
  const [anna, other, bert] = [await depositOf(), await depositOf(), await depositOf(BERT)];
  const relayed = [desk.relay(ANNA, anna), desk.relay(ANNA, other), desk.relay(BERT, bert)];
  await desk.untilSent(2);
  await assert.rejects(desk.relay(ANNA, { ...anna, amount: 500_001n }), required(/not signed/));
  assert.deepEqual(desk.sent.map(({ args }) => args![0]), [ANNA.address, BERT.address]);
  mined.resolve(MINED);
  assert.deepEqual(await Promise.all(relayed), [TX, TX, TX]);
  await assert.rejects(desk.relay(ANNA, other), { code: "rate_limited" });
  assert.equal(desk.sent.length, 2, "what is over is not shared any more");
});

Deno.test("so many a minute are sent, whether they are mined or revert", async () => {
  const desk = openDesk();
  await desk.relay(ANNA, await depositOf());
  desk.mine = () => Promise.resolve({ ...MINED, status: "reverted" });
  const reverted = desk.relay(BERT, await depositOf(BERT));
  await assert.rejects(reverted, required(/mined but reverted$/));
  // Somebody else may have sent it: its payer is read anew all the same.
  assert.deepEqual(desk.forgotten, [ANNA.address, BERT.address]);
  desk.mine = () => Promise.resolve(MINED);
  desk.now += 20_500;
  const next = await depositOf(CARL);
  const isLimited = {
    code: "rate_limited",
    retryAfterSeconds: 10,
    message: /^2 deposits a minute/,
  };
  await assert.rejects(desk.relay(CARL, next), isLimited);
  assert.equal(desk.sent.length, 2);
  desk.now += 9_500;
  assert.equal(await desk.relay(CARL, next), TX);
  await assert.rejects(desk.relay(DORA, await depositOf(DORA)), { code: "rate_limited" });
});

Deno.test("what the simulation refuses is not sent, and says why", async () => {
  const desk = openDesk();
  const cause = new KhachapuriError("chain_refused", "transfer amount exceeds balance");
  desk.simulate = () => Promise.reject(cause);
  const deposit = await depositOf();
  for (const _ of [1, 2, 3]) {
    await assert.rejects(desk.relay(ANNA, deposit), (error: KhachapuriError) => {
      assert.equal(error.code, "payment_required");
      assert.equal(
        error.shortMessage,
        "the deposit was refused: transfer amount exceeds balance",
      );
      assert.equal(error.cause, cause);
      return true;
    });
  }
  const outage = new KhachapuriError("chain_unavailable", "the provider cannot settle right now");
  desk.simulate = () => Promise.reject(outage);
  await assert.rejects(desk.relay(ANNA, deposit), outage);
  assert.deepEqual(desk.sent, []);
  desk.simulate = () => Promise.resolve();
  for (const account of [ANNA, BERT]) await desk.relay(account, await depositOf(account));
  assert.deepEqual(desk.forgotten, [ANNA.address, BERT.address]);
});

Deno.test("a deposit that is not mined in time is not waited for any longer", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  using _ = { [Symbol.dispose]: () => mock.timers.reset() };
  const desk = openDesk({ perMinute: 1 });
  desk.mine = () => new Promise(() => {});
  let isOver = false;
  const relayed = desk.relay(ANNA, await depositOf()).finally(() => isOver = true);
  await desk.untilSent(1);
  mock.timers.tick(RELAY_TIMEOUT_MS - 1);
  await turn();
  assert.ok(!isOver);
  mock.timers.tick(1);
  await assert.rejects(relayed, { code: "chain_unavailable", retryAfterSeconds: 10 });
  // It may still be mined.
  await assert.rejects(desk.relay(ANNA, await depositOf()), { code: "rate_limited" });
});
