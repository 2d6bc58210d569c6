import assert from "node:assert/strict";
import { privateKeyToAccount } from "viem/accounts";
import { allowanceOf, answeringChain } from "../../worlds/chain/escrow_answers.ts";
import { makeFolder } from "../../worlds/home.ts";
import { laneCountToJson, proofOf } from "../lane_count.ts";
import { decodePaymentHeader } from "../payment_header.ts";
import { recoverPermitSigner, signPermit, UINT64_MAX } from "../permit.ts";
import { askCharged, askUnsettled } from "./lane_charged.ts";
import { openPermitBook } from "./permit_book.ts";

const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const key = {
  chainId: 31_337,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  payer: account.address,
  provider: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
  lane: `0x${"ab".repeat(32)}`,
} as const;

/** Asks a provider that answers `response` about a lane on which `settled` credits are settled. */
async function ask(
  response: Response | Error,
  { known = 0n, settled = 3n, price = 1_000n, webDomain = "https://p.test" } = {},
) {
  const asked: { url: string; headers: Headers }[] = [];
  const fetch = ((url: string, { headers }: RequestInit) => {
    asked.push({ url, headers: new Headers(headers) });
    return response instanceof Error ? Promise.reject(response) : Promise.resolve(response);
  }) as typeof globalThis.fetch;
  const chain = answeringChain({ settled, allowance: allowanceOf(100n, price) });
  const usdc = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";
  await using folder = await makeFolder();
  const book = openPermitBook(folder.dir);
  await book.noteCharged(key, known);
  const charged = await askCharged(chain, { account, key, usdc, price, book, webDomain, fetch });
  return { asked, charged };
}

Deno.test("the question proves who asks, by a permit that charges nothing", async () => {
  const { asked, charged } = await ask(Response.json({ cumulative: "8" }));
  assert.equal(charged, 8n);
  assert.equal(asked[0]!.url, "https://p.test/lane");
  const { permit } = decodePaymentHeader(asked[0]!.headers.get("payment-signature")!);
  assert.deepEqual([permit.credits, permit.deadline, permit.lane], [3n, 0n, key.lane]);
  assert.equal(await recoverPermitSigner(key, permit), account.address);
});

Deno.test("the answer is never below what is known or settled", async () => {
  const answer = () => Response.json({ cumulative: "1" });
  assert.equal((await ask(answer(), { known: 5n })).charged, 5n);
  assert.equal((await ask(answer(), { known: 2n })).charged, 3n);
});

Deno.test("a claim that would cost too much is refused", async () => {
  const claim = () => Response.json({ cumulative: "1004" });
  await assert.rejects(ask(claim()), { code: "payment_required" });
  assert.equal((await ask(claim(), { known: 4n })).charged, 1_004n);
});

Deno.test("a provider that does not say, in whatever way, is told apart from one that does", async () => {
  const answers = [
    new Response("not found", { status: 404 }),
    Response.json({ error: "rate_limited", message: "later" }, { status: 429 }),
    Response.json({ charged: "8" }),
    new Response("hello"),
    new TypeError("connection refused"),
  ];
  for (const answer of answers) {
    await assert.rejects(ask(answer), { code: "provider_unavailable" });
  }
});

Deno.test("over plain http nobody is asked", async () => {
  const { asked, charged } = await ask(Response.json({ cumulative: "8" }), {
    known: 1n,
    webDomain: "http://p.test",
  });
  assert.equal(charged, 1n);
  assert.deepEqual(asked, []);
});

Deno.test("what is unsettled is the provider's word, where it gives one", async () => {
  const chain = answeringChain({ settled: 3n, allowance: allowanceOf(100n, 1_000n) });
  const ask = (answer: object, webDomain = "https://p.test") => {
    const fetch = (() => Promise.resolve(Response.json(answer))) as typeof globalThis.fetch;
    return askUnsettled(chain, { account, key, usdc: key.escrow, webDomain, fetch });
  };
  assert.equal(await ask({ cumulative: "8", unsettled: "5" }), 5n);
  assert.equal(await ask({ cumulative: "8" }), null, "earlier releases say none");
  assert.equal(await ask({ cumulative: "8", unsettled: "5" }, "http://p.test"), null);
  await assert.rejects(ask({ unsettled: "5" }), { code: "provider_unavailable" });
});

Deno.test("a count that is proved is gone on from, however high", async () => {
  const { payer, provider, lane } = key;
  const terms = { price: 1_000n, credits: 900_000n, deadline: UINT64_MAX, epoch: 0 };
  const used = await signPermit(account, key, { payer, provider, lane, ...terms });
  const { proof } = laneCountToJson({ id: lane, cumulative: 900_002n, proof: proofOf(used) });
  const answer = (changes: object = {}) =>
    Response.json({ cumulative: "900002", proof: { ...proof, ...changes } });
  assert.equal((await ask(answer())).charged, 900_002n);
  await assert.rejects(ask(answer({ credits: "900001" })), {
    code: "payment_required",
    message: /proof of what was used is false/,
  });
});
