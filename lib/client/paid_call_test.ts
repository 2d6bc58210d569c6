import assert from "node:assert/strict";
import { privateKeyToAccount } from "viem/accounts";
import { allowanceOf, answeringChain } from "../../worlds/chain/escrow_answers.ts";
import { makeFolder } from "../../worlds/home.ts";
import {
  type CreditsOffer,
  type CreditsPayment,
  decodePaymentHeader,
  offerToJson,
  paymentRequired,
  paymentResponse,
  toHeader,
} from "../payment_header.ts";
import { type PaidCallOptions, payAndSend } from "./paid_call.ts";
import { openPermitBook } from "./permit_book.ts";

const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const PRICE = 1_000n;
const ESCROW = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
const USDC = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";
const PROVIDER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const key = {
  chainId: 31_337,
  escrow: ESCROW,
  payer: account.address,
  provider: PROVIDER,
  lane: `0x${"ab".repeat(32)}`,
} as const;

const offer: CreditsOffer = {
  chainId: key.chainId,
  escrow: ESCROW,
  asset: USDC,
  payTo: PROVIDER,
  pricePerCredit: PRICE,
  maxTimeoutSeconds: 15,
  thawingPeriodSeconds: 86_400,
};

function refusal(lane?: CreditsOffer["lane"], creditsMax?: number): Response {
  const told = { ...offer, ...(lane ? { lane } : {}), ...(creditsMax ? { creditsMax } : {}) };
  const required = paymentRequired([offerToJson(told)], { url: "/x" });
  return new Response("{}", { status: 402, headers: { "payment-required": toHeader(required) } });
}

/** A 402 that says how far the lane is charged. */
const correction = (charged: bigint) => refusal({ id: key.lane, cumulative: charged });

function paid(cumulativeCredits: bigint): Response {
  const counts = { chargedCredits: 1n, cumulativeCredits, availableCredits: 9n };
  const notice = paymentResponse({ chainId: key.chainId, payer: account.address, ...counts });
  return new Response("paid", { headers: { "payment-response": toHeader(notice) } });
}

/** A payer that knows `charged` of its lane, and a provider that answers by `answer`. */
async function worldOf(
  answer: (payment: CreditsPayment) => Response,
  { charged = 0n, settled = 0n, allowance = allowanceOf(100n, PRICE) } = {},
) {
  const answers = { settled, allowance, time: 1_000n, isMined: false };
  const chain = answeringChain(answers);
  const folder = await makeFolder();
  const book = openPermitBook(folder.dir);
  await book.noteCharged(key, charged);
  const sent: CreditsPayment[] = [];
  const slept: number[] = [];
  let now = 1_000_000;
  const pay = (options: Partial<PaidCallOptions<Response>> = {}) =>
    payAndSend(chain, {
      account,
      key,
      usdc: USDC,
      price: PRICE,
      credits: 1n,
      book,
      deposit: null,
      send(header) {
        const payment = decodePaymentHeader(header);
        sent.push(payment);
        return Promise.resolve(answer(payment));
      },
      waitMs: 0,
      now: () => now,
      sleep(ms) {
        slept.push(ms);
        now += ms;
        return Promise.resolve();
      },
      ...options,
    });
  const dispose = () => folder[Symbol.asyncDispose]();
  const known = () => book.charged(key);
  return { pay, sent, known, slept, answers, [Symbol.asyncDispose]: dispose };
}

const creditsOf = (sent: readonly CreditsPayment[]) => sent.map(({ permit }) => permit.credits);

Deno.test("a call is paid with one credit beyond what is charged or settled on the lane", async () => {
  for (const [charged, settled] of [[4n, 2n], [2n, 4n]] as const) {
    await using world = await worldOf(() => paid(5n), { charged, settled });
    const { pay, sent, known } = world;
    const { response, paid: permit } = await pay();
    assert.equal(await response.text(), "paid");
    assert.deepEqual(creditsOf(sent), [5n]);
    assert.equal(permit.price, PRICE);
    const life = permit.deadline - 1_000n;
    assert.ok(life >= 86_400n && life < 90_000n, `it lives for ${life} s`);
    assert.equal(await known(), 5n);
  }
});

Deno.test("what the answer says is charged is remembered, never beyond what was signed", async () => {
  await using boasting = await worldOf(() => paid(50n));
  await boasting.pay();
  assert.equal(await boasting.known(), 1n);
  await using silent = await worldOf(() => new Response("no header"));
  await silent.pay();
  assert.equal(await silent.known(), 0n);
});

Deno.test("a provider that has charged more is followed to the lane's next credit", async () => {
  await using world = await worldOf(({ permit }) =>
    permit.credits <= 7n ? correction(7n) : paid(permit.credits)
  );
  const { pay, sent, known } = world;
  assert.equal((await pay()).response.status, 200);
  assert.deepEqual(creditsOf(sent), [1n, 8n]);
  assert.equal(await known(), 8n);
});

Deno.test("a claim that would cost too much is not signed for", async () => {
  await using world = await worldOf(() => correction(1_001n));
  await assert.rejects(world.pay(), {
    code: "payment_required",
    message: /1001 credits were used on this lane, and 0 are known or proved: 1001 more \(1\.001 /,
  });
  assert.equal(world.sent.length, 1);
});

Deno.test("a claim about another lane, or of what is known, changes nothing", async () => {
  const other = { id: `0x${"cd".repeat(32)}`, cumulative: 7n } as const;
  for (const answer of [refusal(other), correction(0n)]) {
    await using world = await worldOf(() => answer);
    assert.equal((await world.pay()).response.status, 402);
    assert.equal(world.sent.length, 1);
  }
});

Deno.test("clients that are faster on the lane are not raced for ever", async () => {
  await using world = await worldOf(({ permit }) => correction(permit.credits));
  const { pay, sent } = world;
  assert.equal((await pay()).response.status, 402);
  assert.deepEqual(creditsOf(sent), Array.from({ length: 17 }, (_, index) => BigInt(index + 1)));
});

Deno.test("a provider that does not see the allowance yet is asked again until time is up", async () => {
  const waits: string[] = [];
  let answers = 3;
  await using patient = await worldOf(() => --answers > 0 ? refusal() : paid(1n));
  const { response } = await patient.pay({ waitMs: 5_000, onWait: (what) => waits.push(what) });
  assert.equal(response.status, 200);
  assert.deepEqual(patient.slept, [1_000, 1_000]);
  assert.deepEqual(waits, Array(2).fill("the provider does not see the credits yet"));

  await using late = await worldOf(() => refusal());
  assert.equal((await late.pay({ waitMs: 2_500 })).response.status, 402);
  assert.equal(late.slept.length, 3);
});

Deno.test("without credits left nobody waits", async () => {
  const cases = [allowanceOf(0n, PRICE), allowanceOf(100n, PRICE - 1n)];
  cases.push({ ...allowanceOf(5n, PRICE), thawingCredits: 5n });
  for (const allowance of cases) {
    await using world = await worldOf(() => refusal(), { allowance });
    assert.equal((await world.pay({ waitMs: 5_000 })).response.status, 402);
    assert.deepEqual(world.slept, []);
  }
});

Deno.test("a deposit goes along when nothing is left, and once", async () => {
  const deposit = { amount: 5_000_000n, credits: 5_000n };
  await using poor = await worldOf(
    ({ permit, deposit }) => deposit ? correction(permit.credits) : paid(permit.credits),
    { allowance: allowanceOf(0n) },
  );
  await poor.pay({ deposit });
  assert.deepEqual(poor.sent.map((payment) => payment.deposit?.amount), [5_000_000n, undefined]);
  const [first] = poor.sent;
  assert.deepEqual([first!.deposit!.credits, first!.deposit!.validBefore], [5_000n, 1_600n]);

  await using rich = await worldOf(({ permit }) => paid(permit.credits));
  await rich.pay({ deposit });
  assert.deepEqual(rich.sent.map((payment) => payment.deposit), [undefined]);
});

Deno.test("a program's own 402, or one that asks to pay somebody else, is the answer", async () => {
  const stranger = paymentRequired([offerToJson({ ...offer, payTo: USDC })], { url: "/x" });
  const headers = { "payment-required": toHeader(stranger) };
  for (const init of [{ status: 402 }, { status: 402, headers }]) {
    await using world = await worldOf(() => new Response("pay me", init));
    const { response } = await world.pay({ waitMs: 5_000 });
    assert.equal(await response.text(), "pay me");
    assert.equal(world.sent.length, 1);
  }
});

Deno.test("a provider whose counts grow with every permit is believed once for the whole call", async () => {
  for (const step of [0n, 1n, 99n, 999n]) {
    await using world = await worldOf(({ permit }) => correction(permit.credits + step), {
      allowance: allowanceOf(1_000_000n, PRICE),
    });
    await world.pay().catch((error) => assert.equal(error.code, "payment_required"));
    const most = creditsOf(world.sent).reduce((one, other) => one > other ? one : other);
    assert.ok((most - 1n) * PRICE <= 1_000_000n, `${most} credits were signed for one call`);
  }
});

Deno.test("call after call, a provider that is never proved is believed for one day's worth", async () => {
  await using world = await worldOf(
    ({ permit }) =>
      permit.credits % 300n === 0n ? paid(permit.credits) : correction(
        permit.credits + 299n - permit.credits % 300n,
      ),
    { allowance: allowanceOf(1_000_000n, PRICE) },
  );
  const outcomes: string[] = [];
  for (let call = 0; call < 6; call++) {
    outcomes.push(await world.pay().then(() => "paid", (error) => error.code));
  }
  assert.deepEqual(outcomes, ["paid", "paid", "paid", ...Array(3).fill("payment_required")]);
  assert.equal(await world.known(), 900n);
});

Deno.test("a repeated call brings the same deposit along until it is mined or void", async () => {
  const deposit = { amount: 5_000_000n, credits: 5_000n };
  await using world = await worldOf(() => refusal(), { allowance: allowanceOf(0n) });
  const { pay, sent, answers } = world;
  const signatures = () => new Set(sent.map((payment) => payment.deposit!.signature)).size;
  for (const _ of [1, 2]) await pay({ deposit });
  assert.equal(signatures(), 1);
  await assert.rejects(pay({ deposit: { ...deposit, credits: 4_000n } }), {
    code: "payment_required",
    message: /a deposit of 5 USDC for 5000 credits at 0.001 USDC is signed and may be mined until/,
  });
  answers.time = 1_599n;
  await pay({ deposit });
  assert.equal(signatures(), 1);
  answers.time = 1_600n;
  await pay({ deposit });
  assert.equal(signatures(), 2, "nobody can send the first any more");
  answers.time = 1_000n;
  answers.isMined = true;
  await pay({ deposit });
  assert.equal(signatures(), 3, "the second was mined");
});

/** A provider whose lane is charged so far, and whose runs take up to 40 credits. */
const longRuns = (charged: bigint) => ({ permit }: CreditsPayment) =>
  permit.credits <= charged
    ? refusal({ id: key.lane, cumulative: charged }, 40)
    : paid(charged + 1n);

Deno.test("for a long run the count is asked first, and many credits are signed from there", async () => {
  await using world = await worldOf(longRuns(7n), { charged: 5n, settled: 2n });
  const { pay, sent, known } = world;
  const { response, paid: permit } = await pay({ credits: 10n });
  assert.equal(await response.text(), "paid");
  assert.deepEqual(creditsOf(sent), [2n, 17n]);
  assert.equal(permit.credits, 17n);
  assert.equal(await known(), 8n, "what the head says is charged so far");
});

Deno.test("no permit is signed for more credits than a run takes", async () => {
  const message = "a run of this deployment takes 40 credits at most, not 41";
  await using world = await worldOf(longRuns(7n));
  await assert.rejects(world.pay({ credits: 41n }), {
    code: "invalid_input",
    message,
    hints: ["--credits 40"],
  });
  assert.deepEqual(creditsOf(world.sent), [0n]);
  // Older providers do not say how many.
  await using older = await worldOf(() => correction(7n));
  await assert.rejects(older.pay({ credits: 2n }), { message: /takes 1 credit at most, not 2/ });
  assert.deepEqual(creditsOf(older.sent), [0n]);
});

Deno.test("a long run for which too few credits are left is not begun", async () => {
  // Five of those that are allowed are used and not settled.
  await using world = await worldOf(longRuns(5n), { allowance: allowanceOf(44n, PRICE) });
  await assert.rejects(world.pay({ credits: 40n }), {
    code: "payment_required",
    message: "39 credits left with this provider, and the run may take 40",
    hints: [
      `khachapuri allow ${PROVIDER} --credits 45 --price 0.001`,
      "or call with --credits 39",
    ],
  });
  assert.deepEqual(creditsOf(world.sent), [0n]);
  assert.equal((await world.pay({ credits: 39n })).response.status, 200);
});

Deno.test("a deposit goes along where fewer credits are left than a long run may take", async () => {
  const deposit = { amount: 5_000_000n, credits: 5_000n };
  await using world = await worldOf(longRuns(5n), { allowance: allowanceOf(10n, PRICE) });
  const { hasDeposited } = await world.pay({ credits: 10n, deposit });
  assert.ok(hasDeposited);
  assert.deepEqual(world.sent.map((payment) => payment.deposit !== undefined), [false, true]);
});

Deno.test("an answer that needs no paying is the answer, whatever a long run would cost", async () => {
  await using world = await worldOf(() => new Response("kept"));
  const { response, paid: permit } = await world.pay({ credits: 10n });
  assert.deepEqual([await response.text(), permit.credits], ["kept", 0n]);
  assert.equal(world.sent.length, 1);
});

Deno.test("what another long run of this home has used needs no believing", async () => {
  // 1,500 credits are 1.5 USDC, more than a provider's word is worth.
  const [allowance, first] = [allowanceOf(9_999n, PRICE), { credits: 1_500n }];
  const runs = (charged: bigint) => ({ permit }: CreditsPayment) =>
    permit.credits <= charged
      ? refusal({ id: key.lane, cumulative: charged }, 2_000)
      : paid(charged + 1n);
  let answer = runs(0n);
  await using world = await worldOf((payment) => answer(payment), { allowance });
  await world.pay(first);
  answer = runs(1_400n);
  await world.pay({ credits: 10n });
  await world.pay();
  assert.deepEqual(creditsOf(world.sent), [0n, 1_500n, 0n, 1_410n, 1_402n]);
});
