/**
 * What Circle may do with USDC, and what it means here: settlement moves sums within the escrow
 * and goes on; what moves USDC fails by name, and no relay pays gas to find that out.
 */
import assert from "node:assert/strict";
import type { LocalAccount } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { deposit, readBalance, readConsumed, withdraw } from "../lib/chain/escrow.ts";
import { collect, earned } from "../lib/chain/escrow_provider.ts";
import { signDeposit } from "../lib/chain/onboarding.ts";
import { depositToJson } from "../lib/deposit_authorization.ts";
import { giveEther } from "../worlds/chain/anvil_calls.ts";
import { untilMined } from "../worlds/chain/blocks.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { blacklist, pauseUsdc, unpauseUsdc } from "../worlds/chain/usdc.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };
const LANE = `0x${"1a".repeat(32)}` as const;
const BATCH = { mode: "batch", intervalSeconds: 1, pollMs: 50 };

async function callTimes(market: Market, cid: string, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    const response = await market.call(cid, { headers: await market.pay(market.accounts.payer) });
    assert.equal(await response.text(), "hello\n");
  }
}

async function untilSettled(market: Market, credits: bigint): Promise<void> {
  const { chain, escrow, rpc, accounts: { payer, provider } } = market;
  const consumed = () => readConsumed(chain, escrow, payer.address, provider.address, LANE);
  await untilMined(rpc, async () => await consumed() === credits);
}

/** What the provider says to a deposit that it is to relay. */
async function onboard(market: Market, account: LocalAccount) {
  const { chain, escrow, usdc, accounts: { provider } } = market;
  const signed = await signDeposit(chain, account, {
    escrow,
    usdc,
    provider: provider.address,
    amount: 1_000_000n,
    pricePerCredit: PRICE,
    credits: 1_000n,
    lifetimeSeconds: 600n,
  });
  const body = JSON.stringify({ payer: account.address, deposit: depositToJson(signed) });
  const response = await fetch(`${market.provider.url}/onboard`, { method: "POST", body });
  return { status: response.status, ...await response.json() };
}

async function newPayer(market: Market): Promise<LocalAccount> {
  const account = privateKeyToAccount(generatePrivateKey());
  await market.mint(account, 2_000_000n);
  await giveEther(market.chain, account.address);
  return account;
}

Deno.test("while USDC is paused settlement goes on, and what moves it fails by name", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { chain, escrow, usdc, accounts: { deployer, payer, provider, operator } } = market;
  const cid = await market.deploy(HELLO);
  const account = await newPayer(market);
  await pauseUsdc(chain, deployer, usdc);
  await callTimes(market, cid, 3);
  await untilSettled(market, 3n);
  assert.equal(await earned(chain, escrow, provider.address), 3n * PRICE);

  const named = { code: "chain_refused", message: /paused/i };
  await assert.rejects(collect(chain, provider, escrow, provider.address), named);
  await assert.rejects(withdraw(chain, payer, escrow, 1n, payer.address), named);
  await assert.rejects(deposit(chain, account, escrow, usdc, 1_000_000n), named);

  const coin = () => chain.public.getBalance({ address: operator.address });
  const before = await coin();
  const relayed = await onboard(market, account);
  assert.ok(relayed.status >= 400 && relayed.status < 500, JSON.stringify(relayed));
  assert.match(relayed.message, /paused/i);
  assert.equal(await coin(), before, "it cost gas to find that out");

  await unpauseUsdc(chain, deployer, usdc);
  await collect(chain, provider, escrow, provider.address);
  assert.equal(await earned(chain, escrow, provider.address), 0n);
  assert.equal((await onboard(market, account)).status, 200);
});

Deno.test("a payer on the blacklist pays with what is locked, and takes nothing out", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { chain, escrow, usdc, accounts: { deployer, payer, provider, operator } } = market;
  const cid = await market.deploy(HELLO);
  const account = await newPayer(market);
  await callTimes(market, cid, 2);
  for (const { address } of [payer, account]) await blacklist(chain, deployer, usdc, address);
  await callTimes(market, cid, 2);
  await untilSettled(market, 4n);
  await collect(chain, provider, escrow, provider.address);

  const named = { code: "chain_refused", message: /blacklisted/i };
  const free = await readBalance(chain, escrow, payer.address);
  await assert.rejects(withdraw(chain, payer, escrow, 1n, payer.address), named);
  assert.equal(await readBalance(chain, escrow, payer.address), free);
  await assert.rejects(deposit(chain, account, escrow, usdc, 1_000_000n), named);

  const before = await chain.public.getBalance({ address: operator.address });
  const relayed = await onboard(market, account);
  assert.ok(relayed.status >= 400 && relayed.status < 500, JSON.stringify(relayed));
  assert.match(relayed.message, /blacklisted/i);
  assert.equal(await chain.public.getBalance({ address: operator.address }), before);
});
