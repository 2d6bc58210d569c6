import assert from "node:assert/strict";
import { privateKeyToAccount } from "viem/accounts";
import { makeFolder } from "../../worlds/home.ts";
import { receiptToJson, signReceipt } from "../receipt.ts";
import { openPermitBook } from "./permit_book.ts";
import { runCost } from "./run_receipt.ts";

const operator = privateKeyToAccount(`0x${"11".repeat(32)}`);
const key = {
  chainId: 31_337,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  payer: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
  provider: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
  lane: `0x${"ab".repeat(32)}`,
} as const;

async function receipt(changes: { cumulative?: bigint; lane?: `0x${string}` } = {}) {
  return receiptToJson(
    await signReceipt(operator, {
      ...key,
      operator: operator.address,
      block: 1n,
      cumulative: 9n,
      deployment: "bafk",
      requestHash: `0x${"01".repeat(32)}`,
      responseHash: `0x${"02".repeat(32)}`,
      price: 1_000n,
      startedAt: 1n,
      durationMs: 1n,
      outcome: "timeout",
      credits: 4,
      ...changes,
    }),
  );
}

/** Asks a provider that answers in this order. */
async function ask(answers: readonly Response[], options: { path?: string } = {}) {
  await using folder = await makeFolder();
  const book = openPermitBook(folder.dir);
  const asked: string[] = [];
  const waits: number[] = [];
  const cost = await runCost({
    webDomain: "https://p.example",
    path: "/receipts/abc",
    key,
    signedFor: 10n,
    book,
    fetch: (url) => {
      asked.push(String(url));
      return Promise.resolve(answers[Math.min(asked.length, answers.length) - 1]!.clone());
    },
    sleep: (ms) => Promise.resolve(void waits.push(ms)),
    ...options,
  });
  return { cost, asked, waits, charged: await book.charged(key) };
}

const absent = Response.json({ error: "not_found", message: "no" }, { status: 404 });

Deno.test("a receipt says what a run took, and from where its lane goes on", async () => {
  const { cost, asked, charged } = await ask([Response.json(await receipt())]);
  assert.deepEqual(cost, { credits: 4, outcome: "timeout" });
  assert.equal(charged, 9n);
  assert.deepEqual(asked, ["https://p.example/receipts/abc"]);
});

Deno.test("no count is believed beyond what was signed for, nor for another lane", async () => {
  const boasting = await ask([Response.json(await receipt({ cumulative: 99n }))]);
  assert.equal(boasting.charged, 10n);
  const other = await ask([Response.json(await receipt({ lane: `0x${"cd".repeat(32)}` }))]);
  assert.deepEqual([other.cost, other.charged], [null, 0n]);
});

Deno.test("a receipt that is not there yet is waited for, for two seconds", async () => {
  const late = await ask([absent, absent, Response.json(await receipt())]);
  assert.deepEqual([late.cost?.credits, late.waits], [4, [200, 200]]);
  const never = await ask([absent]);
  assert.deepEqual([never.cost, never.asked.length, never.charged], [null, 10, 0n]);
});

Deno.test("a receipt is asked for at the provider's own paths only", async () => {
  const elsewhere = await ask([Response.json(await receipt())], { path: "@elsewhere.example/" });
  assert.deepEqual([elsewhere.cost, elsewhere.asked], [null, []]);
});
