/** A credit that is mined before its run, by an operator that does as the test says. */
import assert from "node:assert/strict";
import { mock } from "node:test";
import type { Address, Hex, TransactionReceipt } from "viem";
import { ESCROW_MESSAGES } from "../../chain/escrow_call.ts";
import type { ContractCall } from "../../chain/client.ts";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { CONSUME_TIMEOUT_MS } from "../../limits.ts";
import type { Permit } from "../../permit.ts";
import type { CreditsBill } from "../money/bill.ts";
import { createConsume } from "./settle_each.ts";

const ESCROW: Address = `0x${"ee".repeat(20)}`;
const PAYER: Address = `0x${"11".repeat(20)}`;
const LANE: Hex = `0x${"01".repeat(32)}`;

const PERMIT: Permit = {
  payer: PAYER,
  provider: `0x${"aa".repeat(20)}`,
  lane: LANE,
  price: 7n,
  credits: 100n,
  deadline: 1n,
  epoch: 0,
  signature: `0x${"22".repeat(65)}`,
};

const BILL: CreditsBill = {
  source: "caller",
  payer: PAYER,
  lane: LANE,
  scope: LANE,
  permit: PERMIT,
  price: 5n,
  cid: "bafytest" as CidText,
  deposit: null,
};

/** `consume` with an operator whose transaction becomes what `mined` does. */
function consumeWith(mined: Promise<Partial<TransactionReceipt>>) {
  const sent: ContractCall[] = [];
  const consume = createConsume({
    async send(call) {
      sent.push(call as ContractCall);
      return await mined as TransactionReceipt;
    },
  }, ESCROW);
  return { sent, consume };
}

Deno.test("one credit is taken at the provider's price, once it is mined", async () => {
  const mined = Promise.withResolvers<Partial<TransactionReceipt>>();
  const { sent, consume } = consumeWith(mined.promise);
  let isTaken = false;
  const taken = consume(BILL).then(() => isTaken = true);
  await turn();
  assert.ok(!isTaken);
  mined.resolve({ status: "success" });
  await taken;
  const [{ address, functionName, args, messages }, ...more] = sent as [ContractCall];
  assert.deepEqual([address, functionName], [ESCROW, "consume"]);
  assert.deepEqual(args, [5n, PERMIT], "not at the price that the permit allows");
  assert.equal(messages, ESCROW_MESSAGES, "a refusal is worded");
  assert.deepEqual(more, []);
});

/** What is ready to happen has happened. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

Deno.test("the escrow's no is the payer's to mend, in the escrow's words where there are any", async () => {
  const cause = new KhachapuriError("chain_refused", "the allowance has no credits left");
  await assert.rejects(consumeWith(Promise.reject(cause)).consume(BILL), {
    code: "payment_required",
    message: "the escrow refused the credit: the allowance has no credits left",
    cause,
  });
  await assert.rejects(consumeWith(Promise.resolve({ status: "reverted" })).consume(BILL), {
    code: "payment_required",
    message: "the escrow refused the credit",
  });
});

Deno.test("a limit of the operator's own is not told as the payer's trouble", async () => {
  for (const reason of ["DailyCapReached", "NotOperator"]) {
    const cause = new KhachapuriError("chain_refused", "it may not", { data: { reason } });
    await assert.rejects(consumeWith(Promise.reject(cause)).consume(BILL), {
      code: "overloaded",
      retryAfterSeconds: 60,
    });
  }
});

Deno.test("a chain out of reach is not told as the payer's trouble", async () => {
  const outage = new KhachapuriError("chain_unavailable", "the provider cannot settle right now");
  await assert.rejects(consumeWith(Promise.reject(outage)).consume(BILL), outage);
});

Deno.test("a credit that is not mined in time is waited for no longer, and may be prepaid", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  using _ = { [Symbol.dispose]: () => mock.timers.reset() };
  const { consume } = consumeWith(new Promise(() => {}));
  let isOver = false;
  const taken = consume(BILL).finally(() => isOver = true);
  mock.timers.tick(CONSUME_TIMEOUT_MS - 1);
  await turn();
  assert.ok(!isOver);
  mock.timers.tick(1);
  await assert.rejects(taken, {
    code: "chain_unavailable",
    retryAfterSeconds: 10,
    hints: ["if it is mined later, the next call on this lane is prepaid"],
  });
});
