import assert from "node:assert/strict";
import { privateKeyToAccount } from "viem/accounts";
import { allowanceOf, answeringChain } from "../../worlds/chain/escrow_answers.ts";
import { inFolder } from "../../worlds/home.ts";
import { openPermitBook } from "./permit_book.ts";
import { standingDeposit } from "./standing_deposit.ts";

const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const key = {
  chainId: 31_337,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  payer: account.address,
  provider: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
} as const;
const TERMS = { amount: 5_000_000n, credits: 5_000n, pricePerCredit: 1_000n };
/** Unix seconds. */
const START = 100_000n;

/** Signs, or finds, the deposit to send from `home`, with this machine's clock at `seconds`. */
function deposits(home: string) {
  const answers = { settled: 0n, allowance: allowanceOf(0n), time: START, isMined: false };
  const chain = answeringChain(answers);
  const book = openPermitBook(home);
  const usdc = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";
  const send = (seconds = START, changes: Partial<typeof TERMS> = {}) => {
    const now = () => Number(seconds) * 1_000;
    return standingDeposit(chain, account, { key, usdc, book, now, ...TERMS, ...changes });
  };
  return { answers, send };
}

Deno.test("commands that run at the same time send one deposit", () =>
  inFolder(async (home) => {
    const sent = await Promise.all([1, 2, 3].map(() => deposits(home).send()));
    assert.equal(new Set(sent.map(({ signature }) => signature)).size, 1);
    assert.equal(sent[0]!.validBefore, START + 600n);
  }));

Deno.test("by the chain's time a deposit ends, and by ours only where no block comes", () =>
  inFolder(async (home) => {
    const { answers, send } = deposits(home);
    const first = await send();
    assert.deepEqual(await send(START + 1_499n), first, "our clock may be ahead");
    assert.notDeepEqual(await send(START + 1_500n), first);
    answers.time = START + 2_100n;
    const third = await send(START + 1_600n);
    assert.equal(third.validBefore, START + 2_200n);
    assert.notDeepEqual(third, first);
  }));

Deno.test("what differs from the deposit that may still be mined is not signed", () =>
  inFolder(async (home) => {
    const { answers, send } = deposits(home);
    await send();
    for (const changes of [{ amount: 1n }, { credits: 1n }, { pricePerCredit: 1n }]) {
      await assert.rejects(send(START, changes), { code: "payment_required" });
    }
    answers.isMined = true;
    assert.equal((await send(START, { amount: 1n })).amount, 1n);
  }));
