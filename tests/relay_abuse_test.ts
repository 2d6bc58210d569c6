/** Who would have the provider's gas for nothing: by no-ops, by many keys, while gas is dear. */
import assert from "node:assert/strict";
import type { LocalAccount } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { readAllowance } from "../lib/chain/escrow.ts";
import { type DepositOptions, signDeposit } from "../lib/chain/onboarding.ts";
import { depositToJson } from "../lib/deposit_authorization.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };

interface Answer {
  status: number;
  message?: string;
}

async function onboard(
  market: Market,
  account: LocalAccount,
  changes: Partial<DepositOptions> = {},
): Promise<Answer> {
  const { chain, escrow, usdc, accounts: { provider } } = market;
  const deposit = await signDeposit(chain, account, {
    escrow,
    usdc,
    provider: provider.address,
    amount: 1_000_000n,
    pricePerCredit: PRICE,
    credits: 1_000n,
    lifetimeSeconds: 600n,
    ...changes,
  });
  const body = JSON.stringify({ payer: account.address, deposit: depositToJson(deposit) });
  const response = await fetch(`${market.provider.url}/onboard`, { method: "POST", body });
  return { status: response.status, ...await response.json() };
}

function newAccount(): LocalAccount {
  return privateKeyToAccount(generatePrivateKey());
}

async function funded(market: Market, amount = 1_000_000n): Promise<LocalAccount> {
  const account = newAccount();
  await market.mint(account, amount);
  return account;
}

Deno.test("a relayed deposit brings the provider at least the minimum", async (t) => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { chain, escrow, accounts: { provider, operator } } = market;
  const account = await funded(market, 10_000_000n);
  const gasLeft = () => chain.public.getBalance({ address: operator.address });

  await t.step("what is allowed already, or free already, is no reason to pay gas", async () => {
    assert.equal((await onboard(market, account)).status, 200);
    const { gasUsed } = await chain.public.getTransactionReceipt({
      hash: (await chain.public.getBlock()).transactions[0]!,
    });
    assert.ok(gasUsed < 140_000n, `${gasUsed} gas: what is counted for a relay is less`);
    const before = await gasLeft();
    const noOps = [
      { amount: 0n },
      { amount: 0n, credits: 2_000n },
      { amount: 1_000_000n },
      { amount: 999_999n, credits: 2_000n },
      { amount: 5_000_000n, credits: 1_999n },
    ];
    for (let round = 0; round < 2; round++) {
      for (const changes of noOps) {
        const { status } = await onboard(market, account, changes);
        assert.ok(status === 402 || status === 429, `${status} for ${Object.values(changes)}`);
      }
    }
    assert.equal(await gasLeft(), before, "the operator paid gas");
    const { credits } = await readAllowance(chain, escrow, account.address, provider.address);
    assert.equal(credits, 1_000n);
  });

  await t.step("a payer has one a day, also after a restart", async () => {
    const another = { credits: 3_000n, amount: 2_000_000n };
    for (const _ of [1, 2]) {
      const { status, message } = await onboard(market, account, another);
      assert.equal(status, 429);
      assert.match(message!, /one deposit of a payer is relayed here a day/);
      await market.restart();
    }
  });

  await t.step("penniless strangers stand in nobody's way", async () => {
    const poor = Array.from({ length: 30 }, newAccount);
    const refused = poor.map((stranger) => onboard(market, stranger));
    const honest = onboard(market, await funded(market));
    for (const { status, message } of await Promise.all(refused)) {
      assert.equal(status, 402);
      assert.match(message!, /the payer holds 0 USDC/);
    }
    assert.equal((await honest).status, 200);
  });
});

Deno.test("while gas costs more than cents nothing is relayed, nor offered", async () => {
  const settings = { settlement: BATCH, gas: { coinPrice: "4000000000" } };
  await using market = await startMarket({ settings });
  const account = await funded(market);
  const offered = async () => {
    const { accepts: [{ extra }] } = await (await fetch(`${market.provider.url}/`)).json();
    return extra.depositMinimum;
  };
  // 140,000 gas at anvil's gwei or two and 4,000 USDC a coin: half a dollar.
  assert.equal(await offered(), undefined);
  const { status, message } = await onboard(market, account);
  assert.equal(status, 402);
  assert.match(message!, /costs 0\.\d+ USDC of gas now, this provider pays up to 0\.05$/);
});
