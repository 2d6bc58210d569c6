/**
 * x402's `exact` while its chain and its provider are not as they should be: an endpoint that is
 * down, lags or lies, blocks that go, clocks that differ, a provider that ends and starts again.
 * The invariants are those of exact_chaos_test.ts (I1 to I6).
 */
import assert from "node:assert/strict";
import { pause } from "../lib/pause.ts";
import { fork, mine, passTime, setBaseFee, setMining } from "../worlds/chain/anvil_calls.ts";
import { DOWN, startTurnedRpc, type TurnedRpc } from "../worlds/chain/turned_rpc.ts";
import { balanceOf } from "../worlds/exact_payer.ts";
import {
  answerOf,
  auditExact,
  bookOf,
  deployPaid,
  EXACT_PRICE,
  isOut,
  mineOne,
  newPayer,
  payFor,
  runsOf,
  rushTransfer,
  send,
  startExactMarket,
  untilBook,
} from "../worlds/exact_market.ts";
import { exactHeader } from "../worlds/exact_payer.ts";
import type { Market } from "../worlds/market.ts";

function behind(rpc: TurnedRpc): (url: string) => string {
  return (url) => {
    rpc.target = url;
    return rpc.url;
  };
}

/** What is stuck is helped at once. */
const HASTY = { mode: "batch", intervalSeconds: 360, pollMs: 50, stuckSeconds: 1 };

const earned = (market: Market) => balanceOf(market, market.accounts.provider.address);

Deno.test("an endpoint that is down costs nobody anything, at whichever step", async (t) => {
  await using rpc = startTurnedRpc();
  await using market = await startExactMarket({ rpcOf: behind(rpc) });
  const cid = await deployPaid(market);
  let answered = 0;

  for (const method of ["eth_estimateGas", "eth_call"]) {
    await t.step(`${method} while it is looked at`, async () => {
      const payer = await newPayer(market);
      const signed = await payFor(market, payer, cid);
      const runs = await runsOf(market);
      rpc.turns.set(method, () => DOWN);
      const refused = await send(market, cid, signed);
      rpc.turns.clear();
      assert.equal(refused.status, 503, refused.text);
      assert.equal(await runsOf(market), runs);
      assert.equal((await send(market, cid, signed)).status, 200);
      answered += 1;
    });
  }

  await t.step("eth_estimateGas once its program runs", async () => {
    const payer = await newPayer(market);
    const signed = await payFor(market, payer, cid);
    let looks = 0;
    rpc.turns.set("eth_estimateGas", () => ++looks > 1 ? DOWN : undefined);
    const refused = await send(market, cid, signed);
    rpc.turns.clear();
    assert.equal(refused.status, 503, refused.text);
    assert.equal(await balanceOf(market, payer.address), 10n * EXACT_PRICE);
    assert.equal((await send(market, cid, signed)).status, 200);
    answered += 1;
  });

  await t.step("receipts, for a while", async () => {
    const payer = await newPayer(market);
    const signed = await payFor(market, payer, cid);
    let refused = 0;
    rpc.turns.set("eth_getTransactionReceipt", () => ++refused < 5 ? DOWN : undefined);
    assert.equal((await send(market, cid, signed)).status, 200);
    rpc.turns.clear();
    answered += 1;
  });
  await auditExact(market, answered);
});

Deno.test("an endpoint that lags behind the block that paid is not believed", async () => {
  await using rpc = startTurnedRpc();
  await using market = await startExactMarket({ rpcOf: behind(rpc) });
  const { chain } = market;
  const cid = await deployPaid(market);
  const payer = await newPayer(market);
  const signed = await payFor(market, payer, cid);
  await setMining(chain, false);
  const asked = send(market, cid, signed);
  await untilBook(market, signed, isOut);
  await rushTransfer(market, payer, signed);
  // From here on the endpoint that is asked for blocks stands one behind.
  const old = await chain.public.getBlockNumber();
  const hex = `0x${old.toString(16)}`;
  rpc.turns.set(
    "eth_getBlockByNumber",
    ({ params }, truth) => params[0] === "latest" ? truth([hex, params[1]]) : undefined,
  );
  await setMining(chain, true);
  await mineOne(market);
  const told = await asked;
  assert.deepEqual([told.status, told.reason], [402, "settlement_pending"], told.text);
  rpc.turns.clear();
  const again = await send(market, cid, signed);
  assert.equal(again.status, 200, again.text);
  assert.equal(await earned(market), EXACT_PRICE);
  await auditExact(market, 1);
});

Deno.test("a fork that takes a payment back has it settled anew", async (t) => {
  await using market = await startExactMarket({ settings: { settlement: HASTY } });
  const { chain } = market;
  const cid = await deployPaid(market);
  let answered = 0;

  const again = async (signed: Awaited<ReturnType<typeof payFor>>) => {
    const before = await earned(market);
    const { txHash } = bookOf(market).find(({ nonce }) => nonce === signed.authorization.nonce)!;
    const { blockNumber } = await chain.public.getTransactionReceipt({ hash: txHash! });
    const head = await chain.public.getBlockNumber({ cacheTime: 0 });
    await fork(chain, Number(head - blockNumber) + 1);
    assert.equal(before - await earned(market), EXACT_PRICE, "the fork took nothing back");
    await untilPaidAgain(market, before);
    await untilBook(market, signed, ({ state }) => state === "paid");
  };

  await t.step("its own, once it was answered", async () => {
    const payer = await newPayer(market);
    const signed = await payFor(market, payer, cid);
    assert.equal((await send(market, cid, signed)).status, 200);
    answered += 1;
    await again(signed);
  });

  await t.step("of a payer who was faster", async () => {
    const payer = await newPayer(market);
    const signed = await payFor(market, payer, cid);
    await setMining(chain, false);
    const asked = send(market, cid, signed);
    await untilBook(market, signed, isOut);
    await rushTransfer(market, payer, signed);
    await setMining(chain, true);
    await mineOne(market);
    assert.equal((await asked).status, 200);
    answered += 1;
    await again(signed);
  });

  await t.step("while its answer is on its way", async () => {
    const main = "#!/bin/sh\nprintf one; sleep 4; printf two\n";
    const slow = await deployPaid(market, { files: { main } });
    const payer = await newPayer(market);
    const signed = await payFor(market, payer, slow);
    const response = await market.call(slow, { headers: exactHeader(signed) });
    assert.equal(response.status, 200);
    await again(signed);
    assert.equal((await answerOf(response)).text, "onetwo");
    answered += 1;
    await untilBook(market, signed, ({ outcome }) => outcome !== null);
  });
  await auditExact(market, answered);
});

async function untilPaidAgain(market: Market, amount: bigint): Promise<void> {
  const until = Date.now() + 60_000;
  while (await earned(market) !== amount) {
    assert.ok(Date.now() < until, "the money did not come again");
    await mine(market.chain, 1);
    await pause(100);
  }
}

Deno.test("a provider that ends while a payment is out answers it in its next life", async () => {
  await using market = await startExactMarket({ settings: { trustedProxies: ["127.0.0.1"] } });
  const cid = await deployPaid(market);
  const payer = await newPayer(market);
  const signed = await payFor(market, payer, cid);
  const from = (address: string) => ({ headers: { "x-forwarded-for": address } });
  const own = from("203.0.113.5");
  await setMining(market.chain, false);
  const asked = send(market, cid, signed, own);
  const { txHash } = await untilBook(market, signed, isOut);
  const restarted = market.restart();
  // It is told that nobody knows yet, or cut off.
  const told = await asked.catch(() => null);
  if (told) assert.equal(told.reason, "settlement_pending");
  await restarted;
  await setMining(market.chain, true);
  await mineOne(market);
  // Whoever saw the payment among those that wait for a block asks before its payer does.
  const thief = await send(market, cid, signed, from("198.51.100.7"));
  assert.equal(thief.status, 409, thief.text);
  const again = await send(market, cid, signed, own);
  assert.equal(again.status, 200, again.text);
  assert.equal(again.settlement!.transaction, txHash);
  assert.equal(await earned(market), EXACT_PRICE);
  const replayed = await send(market, cid, signed, own);
  assert.deepEqual([replayed.status, replayed.isReplay], [200, true]);
  await auditExact(market, 1);
});

Deno.test("a caller that hangs up while its payment is out finds its answer kept", async () => {
  await using market = await startExactMarket();
  const cid = await deployPaid(market);
  const payer = await newPayer(market);
  const signed = await payFor(market, payer, cid);
  await setMining(market.chain, false);
  const gone = new AbortController();
  const init = { method: "POST", body: "world" };
  const asked = send(market, cid, signed, { ...init, signal: gone.signal });
  await untilBook(market, signed, isOut);
  gone.abort();
  await assert.rejects(asked);
  await setMining(market.chain, true);
  await mineOne(market);
  await untilBook(market, signed, ({ outcome }) => outcome !== null);
  let again = await send(market, cid, signed, init);
  // The book has the end of its run a moment before the key is free.
  while (again.status === 409) again = await send(market, cid, signed, init);
  assert.deepEqual([again.status, again.text, again.isReplay], [200, "hello world", true]);
  assert.equal(await runsOf(market), 1);
  await auditExact(market, 1);
});

Deno.test("a transaction that is stuck pays more gas until it is mined", async () => {
  await using market = await startExactMarket({ settings: { settlement: HASTY } });
  const { chain } = market;
  const cid = await deployPaid(market);
  const payer = await newPayer(market);
  const signed = await payFor(market, payer, cid);
  await setMining(chain, false);
  const asked = send(market, cid, signed);
  await untilBook(market, signed, isOut);
  const raised = market.logged("operator transaction stuck, fee raised");
  // Dear blocks that do not take it.
  await setBaseFee(chain, 10n ** 11n);
  await mine(chain, 1);
  await raised;
  const answer = await minedUntil(market, asked);
  await setMining(chain, true);
  assert.equal(answer.status, 200, answer.text);
  await auditExact(market, 1);
});

/** Blocks come until it is answered. */
async function minedUntil<T>(market: Market, asked: Promise<T>): Promise<T> {
  let isOver = false;
  const over = () => void (isOver = true);
  asked.then(over, over);
  while (!isOver) {
    await mineOne(market);
    await pause(100);
  }
  return await asked;
}

Deno.test("nothing is good after its time by either clock", async (t) => {
  let aheadMs = 0;
  await using market = await startExactMarket({ now: () => Date.now() + aheadMs });
  const cid = await deployPaid(market);
  const payer = await newPayer(market);
  const hour = 3_600n;
  const now = () => BigInt(Math.floor(Date.now() / 1_000));

  await t.step("ours ahead", async () => {
    aheadMs = Number(hour) * 1_000;
    const short = await payFor(market, payer, cid);
    const refused = await send(market, cid, short);
    assert.equal(refused.reason, "invalid_exact_evm_payload_authorization_valid_before");
    const long = await payFor(market, payer, cid, { validBefore: now() + 2n * hour });
    assert.equal((await send(market, cid, long)).status, 200);
    aheadMs = 0;
  });

  await t.step("the chain's ahead", async () => {
    await passTime(market.chain, hour);
    const heard = await payFor(market, payer, cid);
    // The follower has heard of that block, or the token itself says no.
    const refused = await send(market, cid, heard);
    assert.equal(refused.status, 402, refused.text);
    assert.equal(refused.reason, "invalid_exact_evm_payload_authorization_valid_before");
    const long = await payFor(market, payer, cid, { validBefore: now() + 2n * hour });
    assert.equal((await send(market, cid, long)).status, 200);
  });
  assert.equal(bookOf(market).length, 2);
  await auditExact(market, 2);
});
