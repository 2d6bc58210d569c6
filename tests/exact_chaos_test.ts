/**
 * x402's `exact` under attack and in bad weather, on a real chain with Circle's own USDC:
 * (I1) an answer's bytes go out only after the chain told that exactly the price moved from payer
 *      to provider by that payment's nonce;
 * (I2) a nonce buys at most one answered request, over all deployments, connections and restarts;
 *      the same header with the same request is the same purchase;
 * (I3) whoever paid and was not answered gets its answer by sending the same again, for nothing;
 * (I4) nobody who is refused is charged, unless the money is then good for the same request;
 * (I5) what a payer's payments under way come to is no more than it holds;
 * (I6) book, chain and callers' counts agree to the unit.
 */
import assert from "node:assert/strict";
import { setMining } from "../worlds/chain/anvil_calls.ts";
import { pauseUsdc, unpauseUsdc } from "../worlds/chain/usdc.ts";
import { balanceOf, type SignedExact, signExact } from "../worlds/exact_payer.ts";
import {
  auditExact,
  bookOf,
  deployPaid,
  EXACT_PRICE,
  isOut,
  mineOne,
  newPayer,
  payFor,
  runsOf,
  rush,
  rushTransfer,
  send,
  signCancel,
  startExactMarket,
  untilBook,
} from "../worlds/exact_market.ts";
import type { ExactAnswer } from "../worlds/exact_market.ts";
import type { Market } from "../worlds/market.ts";
import type { LocalAccount } from "viem";

const USED = "invalid_exact_evm_nonce_already_used";

/** What happens between the look at a payment and the block that is to move it. */
interface Between {
  does(market: Market, payer: LocalAccount, signed: SignedExact): Promise<void>;
  status: number;
  reason?: string;
  /** How the book has it then. */
  state: string;
  undo?(market: Market): Promise<void>;
}

const BETWEEN: Record<string, Between> = {
  "nothing": { does: async () => {}, status: 200, state: "paid" },
  "the payer cancels it": {
    async does(market, payer, signed) {
      await rush(market, payer, "cancelAuthorization", await signCancel(market, payer, signed));
    },
    status: 402,
    reason: USED,
    state: "void",
  },
  "the payer's balance goes": {
    async does(market, payer) {
      const all = await balanceOf(market, payer.address);
      await rush(market, payer, "transfer", [market.accounts.stranger.address, all]);
    },
    status: 402,
    reason: "invalid_exact_evm_insufficient_balance",
    state: "open",
  },
  "the payer uses its nonce for a transfer to itself": {
    async does(market, payer, { entry, authorization: { nonce } }) {
      const own = { ...entry, payTo: payer.address, amount: "1" };
      await rushTransfer(market, payer, await signExact(payer, own, { nonce }));
    },
    status: 402,
    reason: USED,
    state: "void",
  },
  "the payer is faster by itself": {
    does: (market, payer, signed) => rushTransfer(market, payer, signed),
    status: 200,
    state: "paid",
  },
  "the payer is blacklisted": {
    does: (market, payer) => rush(market, market.accounts.deployer, "blacklist", [payer.address]),
    status: 402,
    reason: "invalid_exact_evm_transaction_simulation_failed",
    state: "open",
  },
  "the token is paused": {
    does: (market) => rush(market, market.accounts.deployer, "pause", []),
    status: 402,
    reason: "invalid_exact_evm_transaction_simulation_failed",
    state: "open",
    undo: ({ chain, usdc, accounts }) => unpauseUsdc(chain, accounts.deployer, usdc),
  },
};

Deno.test("whatever comes between the look and the block, it is paid or free", async (t) => {
  await using market = await startExactMarket();
  const cid = await deployPaid(market);
  const { provider } = market.accounts;
  let answered = 0;
  for (const [what, { does, status, reason = null, state, undo }] of Object.entries(BETWEEN)) {
    await t.step(what, async () => {
      const payer = await newPayer(market);
      const signed = await payFor(market, payer, cid);
      const before = await balanceOf(market, provider.address);
      await setMining(market.chain, false);
      const asked = send(market, cid, signed, { method: "POST", body: "world" });
      await untilBook(market, signed, isOut);
      assert.equal(await isSettled(asked), false, "a byte went out before the block");
      await does(market, payer, signed);
      await setMining(market.chain, true);
      await mineOne(market);
      const answer = await asked;
      assert.equal(answer.status, status, answer.text);
      assert.equal(answer.reason, reason);
      const isPaid = status === 200;
      if (isPaid) answered += 1;
      assert.equal(await balanceOf(market, provider.address) - before, isPaid ? EXACT_PRICE : 0n);
      if (isPaid) assert.equal(answer.text, "hello world");
      const row = bookOf(market).find(({ nonce }) => nonce === signed.authorization.nonce)!;
      assert.equal(row.state, state);
      await undo?.(market);
    });
  }
  await auditExact(market, answered);
});

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  return await Promise.race([promise.then(() => true, () => true), Promise.resolve(false)]);
}

Deno.test("one payment at sixteen connections and four deployments buys one answer", async () => {
  await using market = await startExactMarket();
  const cids = await Promise.all(
    [1, 2, 3, 4].map((n) => deployPaid(market, { files: { main: `#!/bin/sh\necho ${n}\n` } })),
  );
  const payer = await newPayer(market);
  const signed = await payFor(market, payer, cids[0]!);
  const answers = await Promise.all(
    [...Array(16).keys()].map((n) => send(market, cids[n % 4]!, signed)),
  );
  const fresh = answers.filter(({ status, isReplay }) => status === 200 && !isReplay);
  assert.equal(fresh.length, 1);
  for (const { status, text, reason } of answers) {
    if (status === 200) assert.equal(text, fresh[0]!.text);
    else assert.ok(status === 409 || (status === 402 && reason === USED), `${status} ${text}`);
  }
  assert.equal(await runsOf(market), 1);
  await auditExact(market, 1);
  // As many payments are as many purchases.
  const others = await Promise.all(cids.map((cid) => payFor(market, payer, cid)));
  const bought = await Promise.all(others.map((one, n) => send(market, cids[n]!, one)));
  assert.deepEqual(bought.map(({ status }) => status), [200, 200, 200, 200]);
  await auditExact(market, 5);
});

Deno.test("so many payments with one balance are one", async () => {
  await using market = await startExactMarket();
  const cid = await deployPaid(market);
  const payer = await newPayer(market, EXACT_PRICE);
  const all = await Promise.all([...Array(8)].map(() => payFor(market, payer, cid)));
  await setMining(market.chain, false);
  const asked = all.map((signed) => send(market, cid, signed));
  const refused = await atLeast(asked, 7);
  await setMining(market.chain, true);
  await mineOne(market);
  const answers = await Promise.all(asked);
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  for (const { reason } of refused) {
    assert.equal(reason, "invalid_exact_evm_insufficient_balance");
  }
  assert.equal(await runsOf(market), 1, "what could not be paid was run");
  await auditExact(market, 1);
});

/** Resolves with the first so many. */
function atLeast(asked: Promise<ExactAnswer>[], count: number): Promise<ExactAnswer[]> {
  const { promise, resolve } = Promise.withResolvers<ExactAnswer[]>();
  const come: ExactAnswer[] = [];
  for (const one of asked) {
    one.then((answer) => {
      if (come.push(answer) === count) resolve([...come]);
    });
  }
  return promise;
}

/** Sends a payment until it is out: a run that is not over yet has its place. */
async function sendOut(market: Market, cid: string, signed: SignedExact) {
  for (;;) {
    const answer = send(market, cid, signed);
    const early = await Promise.race([answer, untilBook(market, signed, isOut).catch(() => null)]);
    if (early === null || !("status" in early)) return { answer };
    assert.match(early.text, /busy|at a time/);
  }
}

Deno.test("a run that is over lets others run while its payment is out", async () => {
  await using market = await startExactMarket();
  const limits = { timeoutMs: 5_000, memoryMb: 64, concurrency: 1, ownerCreditsPerMinute: 60 };
  const cid = await deployPaid(market, {
    files: { main: "#!/bin/sh\necho hello\n" },
    fields: { limits },
  });
  const payers = [await newPayer(market), await newPayer(market)];
  await setMining(market.chain, false);
  const asked = [];
  for (const payer of payers) {
    asked.push(await sendOut(market, cid, await payFor(market, payer, cid)));
  }
  await setMining(market.chain, true);
  await mineOne(market);
  const answers = await Promise.all(asked.map(({ answer }) => answer));
  assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
  await auditExact(market, 2);
});

Deno.test("a balance that was seen before another payment took it is not seen again", async () => {
  await using market = await startExactMarket();
  const cid = await deployPaid(market);
  const payer = await newPayer(market, EXACT_PRICE);
  const [slow, quick] = [await payFor(market, payer, cid), await payFor(market, payer, cid)];
  const body = new TransformStream<Uint8Array, Uint8Array>();
  const writer = body.writable.getWriter();
  const late = send(market, cid, slow, { method: "POST", body: body.readable });
  // Its head was looked at once a byte of its body is taken.
  await writer.write(new Uint8Array(200_000));
  await writer.write(new Uint8Array(200_000));
  assert.equal((await send(market, cid, quick)).status, 200);
  await writer.close();
  const { status, reason } = await late;
  assert.deepEqual([status, reason], [402, "invalid_exact_evm_insufficient_balance"]);
  assert.equal(await runsOf(market), 1, "it was run for nothing");
  await auditExact(market, 1);
});

Deno.test("what was sent once and is taken later by anybody is paid for", async () => {
  await using market = await startExactMarket();
  const { chain, usdc, accounts: { deployer, stranger } } = market;
  const cid = await deployPaid(market);
  const payer = await newPayer(market);
  const signed = await payFor(market, payer, cid);
  await setMining(chain, false);
  const asked = send(market, cid, signed);
  await untilBook(market, signed, isOut);
  await rush(market, deployer, "pause", []);
  await setMining(chain, true);
  await mineOne(market);
  assert.equal((await asked).status, 402);
  await unpauseUsdc(chain, deployer, usdc);
  await rushTransfer(market, stranger, signed);
  await mineOne(market);
  await pauseUsdc(chain, deployer, usdc);
  const again = await send(market, cid, signed);
  assert.equal(again.status, 200, again.text);
  await auditExact(market, 1);
});

Deno.test("whose payment was reverted waits, and others do not", async () => {
  await using market = await startExactMarket();
  const { chain, accounts: { stranger } } = market;
  const cid = await deployPaid(market);
  const payer = await newPayer(market);
  const signed = await payFor(market, payer, cid);
  await setMining(chain, false);
  const asked = send(market, cid, signed);
  await untilBook(market, signed, isOut);
  await rush(market, payer, "transfer", [stranger.address, 10n * EXACT_PRICE]);
  await setMining(chain, true);
  await mineOne(market);
  assert.equal((await asked).status, 402);
  await market.mint(payer, EXACT_PRICE);
  const runs = await runsOf(market);
  const next = await send(market, cid, await payFor(market, payer, cid));
  assert.deepEqual([next.status, next.reason], [402, "invalid_exact_evm_transaction_failed"]);
  assert.equal(await runsOf(market), runs);
  const other = await newPayer(market);
  assert.equal((await send(market, cid, await payFor(market, other, cid))).status, 200);
});

Deno.test("an answer is its payer's, though all can read the payment on chain", async () => {
  await using market = await startExactMarket();
  const cid = await deployPaid(market);
  const payer = await newPayer(market);
  const signed = await payFor(market, payer, cid);
  const headers = { authorization: "Bearer anna" };
  const first = await send(market, cid, signed, { headers });
  assert.equal(first.status, 200);
  const thief = await send(market, cid, signed);
  assert.deepEqual([thief.status, thief.reason], [402, USED]);
  const again = await send(market, cid, signed, { headers });
  assert.deepEqual([again.text, again.isReplay], [first.text, true]);
});
