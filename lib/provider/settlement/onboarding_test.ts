/** Relayed deposits, with an operator that does as the test says. */
import assert from "node:assert/strict";
import { mock } from "node:test";
import type { Address, Hex, TransactionReceipt } from "viem";
import { anvilAccount } from "../../../worlds/chain/anvil.ts";
import { allowanceOf, answeringChain } from "../../../worlds/chain/escrow_answers.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import type { ContractCall } from "../../chain/client.ts";
import { ESCROW_MESSAGES } from "../../chain/escrow_call.ts";
import { signDeposit } from "../../chain/onboarding.ts";
import { KhachapuriError } from "../../errors.ts";
import { RELAY_TIMEOUT_MS } from "../../limits.ts";
import type { DepositAuthorization } from "../../payment_header.ts";
import { Onboarding, type OnboardingOptions } from "./onboarding.ts";
import { Relays } from "./relays.ts";

const PROVIDER = anvilAccount(1).address;
const [ANNA, BERT] = [anvilAccount(4), anvilAccount(5)];
const ESCROW: Address = `0x${"ee".repeat(20)}`;
const USDC: Address = `0x${"cc".repeat(20)}`;
const PRICE = 1_000n;
const TX: Hex = `0x${"7a".repeat(32)}`;
/** Unix seconds. */
const NOW = 1_700_000_000n;

const chain = answeringChain({ settled: 0n, allowance: allowanceOf(0n) });

/** The desk of a provider that relays two deposits a minute, from 0.1 USDC on. */
function openDesk(policy: Partial<OnboardingOptions["policy"]> = {}) {
  const heard = hearLog();
  const desk = {
    /** Unix ms. */
    now: Number(NOW) * 1_000,
    sent: [] as ContractCall[],
    forgotten: [] as (Address | undefined)[],
    /** What the chain says to a deposit before it is sent. */
    simulate: (): Promise<void> => Promise.resolve(),
    /** What becomes of a deposit that is sent. */
    mine: (): Promise<Partial<TransactionReceipt>> => Promise.resolve(MINED),
    lines: heard.lines,
  };
  const onboarding = new Onboarding({
    chain,
    seller: { chainId: chain.chainId, escrow: ESCROW, provider: PROVIDER, price: PRICE },
    usdc: USDC,
    policy: { enabled: true, minimum: 100_000n, perMinute: 2, ...policy },
    relays: new Relays({
      what: "deposit",
      perMinute: policy.perMinute ?? 2,
      operator: {
        simulate: () => desk.simulate(),
        async send(call) {
          desk.sent.push(call as ContractCall);
          return await desk.mine() as TransactionReceipt;
        },
      },
      ledger: { knows: () => false },
      payers: { forget: (payer) => void desk.forgotten.push(payer) },
      now: () => desk.now,
    }),
    log: heard.log,
    now: () => desk.now,
  });
  return Object.assign(desk, {
    relay: (account: { address: Address }, deposit: DepositAuthorization) =>
      onboarding.relay(account.address, deposit),
    /** Resolves once so many are sent; bounded by the test runner. */
    async untilSent(count: number): Promise<void> {
      while (desk.sent.length < count) await turn();
    },
  });
}

const MINED = { status: "success", transactionHash: TX } as const;

/** A deposit that is just good enough: its 100 credits are worth the minimum. */
function depositOf(account = ANNA): Promise<DepositAuthorization> {
  return signDeposit(chain, account, {
    escrow: ESCROW,
    usdc: USDC,
    provider: PROVIDER,
    amount: 500_000n,
    pricePerCredit: PRICE,
    credits: 100n,
    lifetimeSeconds: 600n,
    now: () => Number(NOW) * 1_000,
  });
}

const required = (message: RegExp) => ({ code: "payment_required", message });

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

/** What is ready to happen has happened. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

Deno.test("what is not worth the gas is told before the chain is asked, the first fault first", async () => {
  const good = await depositOf();
  const faults: [Partial<DepositAuthorization>, RegExp][] = [
    [{ pricePerCredit: PRICE - 1n }, /allows 0\.000999 USDC a credit, a credit costs 0\.001$/],
    [{ credits: 99n }, /allows at least 0\.1 USDC to this provider$/],
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
  await assert.rejects(desk.relay(ANNA, { ...anna, amount: 1n }), required(/not signed/));
  assert.deepEqual(desk.sent.map(({ args }) => args![0]), [ANNA.address, BERT.address]);
  mined.resolve(MINED);
  assert.deepEqual(await Promise.all(relayed), [TX, TX, TX]);
  desk.now += 60_000;
  await desk.relay(ANNA, other);
  assert.equal(desk.sent.length, 3, "what is over is not shared any more");
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
  const next = await depositOf();
  const isLimited = {
    code: "rate_limited",
    retryAfterSeconds: 10,
    message: /^2 deposits a minute/,
  };
  await assert.rejects(desk.relay(ANNA, next), isLimited);
  assert.equal(desk.sent.length, 2);
  desk.now += 9_500;
  assert.equal(await desk.relay(ANNA, next), TX);
  await assert.rejects(desk.relay(ANNA, next), { code: "rate_limited" });
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
