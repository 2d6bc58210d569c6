import assert from "node:assert/strict";
import { privateKeyToAccount } from "viem/accounts";
import { allowanceOf, answeringChain } from "../../worlds/chain/escrow_answers.ts";
import { KhachapuriError } from "../errors.ts";
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

function refusal(lane?: CreditsOffer["lane"]): Response {
  const required = paymentRequired([offerToJson({ ...offer, ...(lane ? { lane } : {}) })], {
    url: "/x",
  });
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
function worldOf(
  answer: (payment: CreditsPayment) => Response,
  { charged = 0n, settled = 0n, allowance = allowanceOf(100n, PRICE) } = {},
) {
  const chain = answeringChain({ settled, allowance });
  const sent: CreditsPayment[] = [];
  const noted: bigint[] = [];
  const slept: number[] = [];
  let now = 1_000_000;
  const pay = (options: Partial<PaidCallOptions> = {}) =>
    payAndSend(chain, {
      account,
      key,
      usdc: USDC,
      price: PRICE,
      lanes: {
        charged: () => Promise.resolve(charged),
        noteCharged: (_, value) => Promise.resolve(void noted.push(value)),
      },
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
  return { pay, sent, noted, slept };
}

const creditsOf = (sent: readonly CreditsPayment[]) => sent.map(({ permit }) => permit.credits);

Deno.test("a call is paid with one credit beyond what is charged or settled on the lane", async () => {
  for (const [charged, settled] of [[4n, 2n], [2n, 4n]] as const) {
    const { pay, sent, noted } = worldOf(() => paid(5n), { charged, settled });
    const { response, paid: permit } = await pay();
    assert.equal(await response.text(), "paid");
    assert.deepEqual(creditsOf(sent), [5n]);
    assert.deepEqual([permit.price, permit.deadline], [PRICE, 1_000n + 86_400n]);
    assert.deepEqual(noted, [5n]);
  }
});

Deno.test("what the answer says is charged is remembered, never beyond what was signed", async () => {
  const boasting = worldOf(() => paid(50n));
  await boasting.pay();
  assert.deepEqual(boasting.noted, [1n]);
  const silent = worldOf(() => new Response("no header"));
  await silent.pay();
  assert.deepEqual(silent.noted, []);
});

Deno.test("a provider that has charged more is followed to the lane's next credit", async () => {
  const { pay, sent, noted } = worldOf(({ permit }) =>
    permit.credits <= 7n ? correction(7n) : paid(permit.credits)
  );
  assert.equal((await pay()).response.status, 200);
  assert.deepEqual(creditsOf(sent), [1n, 8n]);
  assert.deepEqual(noted, [8n]);
});

Deno.test("a claim that would cost too much is not signed for", async () => {
  const { pay, sent } = worldOf(() => correction(1_001n));
  await assert.rejects(pay(), (error) => {
    assert(error instanceof KhachapuriError);
    assert.equal(error.code, "payment_required");
    assert.match(error.message, /1001 more credits \(1\.001 USDC\)/);
    return true;
  });
  assert.equal(sent.length, 1);
});

Deno.test("a claim about another lane, or of what is known, changes nothing", async () => {
  const other = { id: `0x${"cd".repeat(32)}`, cumulative: 7n } as const;
  for (const answer of [refusal(other), correction(0n)]) {
    const { pay, sent } = worldOf(() => answer);
    assert.equal((await pay()).response.status, 402);
    assert.equal(sent.length, 1);
  }
});

Deno.test("clients that are faster on the lane are not raced for ever", async () => {
  const { pay, sent } = worldOf(({ permit }) => correction(permit.credits));
  assert.equal((await pay()).response.status, 402);
  assert.deepEqual(creditsOf(sent), Array.from({ length: 17 }, (_, index) => BigInt(index + 1)));
});

Deno.test("a provider that does not see the allowance yet is asked again until time is up", async () => {
  const waits: string[] = [];
  let answers = 3;
  const patient = worldOf(() => --answers > 0 ? refusal() : paid(1n));
  const { response } = await patient.pay({ waitMs: 5_000, onWait: (what) => waits.push(what) });
  assert.equal(response.status, 200);
  assert.deepEqual(patient.slept, [1_000, 1_000]);
  assert.deepEqual(waits, Array(2).fill("the provider does not see the credits yet"));

  const late = worldOf(() => refusal());
  assert.equal((await late.pay({ waitMs: 2_500 })).response.status, 402);
  assert.equal(late.slept.length, 3);
});

Deno.test("without credits left nobody waits", async () => {
  const cases = [allowanceOf(0n, PRICE), allowanceOf(100n, PRICE - 1n)];
  cases.push({ ...allowanceOf(5n, PRICE), thawingCredits: 5n });
  for (const allowance of cases) {
    const { pay, slept } = worldOf(() => refusal(), { allowance });
    assert.equal((await pay({ waitMs: 5_000 })).response.status, 402);
    assert.deepEqual(slept, []);
  }
});

Deno.test("a deposit goes along when nothing is left, and once", async () => {
  const deposit = { amount: 5_000_000n, credits: 5_000n };
  const poor = worldOf(
    ({ permit, deposit }) => deposit ? correction(permit.credits) : paid(permit.credits),
    { allowance: allowanceOf(0n) },
  );
  await poor.pay({ deposit });
  assert.deepEqual(poor.sent.map((payment) => payment.deposit?.amount), [5_000_000n, undefined]);
  const [first] = poor.sent;
  assert.deepEqual([first!.deposit!.credits, first!.deposit!.validBefore], [5_000n, 1_600n]);

  const rich = worldOf(({ permit }) => paid(permit.credits));
  await rich.pay({ deposit });
  assert.deepEqual(rich.sent.map((payment) => payment.deposit), [undefined]);
});

Deno.test("a program's own 402, or one that asks to pay somebody else, is the answer", async () => {
  const stranger = paymentRequired([offerToJson({ ...offer, payTo: USDC })], { url: "/x" });
  const headers = { "payment-required": toHeader(stranger) };
  for (const init of [{ status: 402 }, { status: 402, headers }]) {
    const { pay, sent } = worldOf(() => new Response("pay me", init));
    const { response } = await pay({ waitMs: 5_000 });
    assert.equal(await response.text(), "pay me");
    assert.equal(sent.length, 1);
  }
});
