/** Onboarding without gas: the provider relays what a payer with USDC and no ETH has signed. */
import assert from "node:assert/strict";
import type { LocalAccount } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { readAllowance } from "../lib/chain/escrow.ts";
import { signDeposit } from "../lib/chain/onboarding.ts";
import { readUsdcBalance } from "../lib/chain/usdc.ts";
import { type DepositAuthorization, depositToJson } from "../lib/deposit_authorization.ts";
import {
  decodePaymentHeader,
  decodePaymentResponse,
  encodePaymentHeader,
} from "../lib/payment_header.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { startMarket } from "../worlds/market.ts";

const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };
/** Nothing settles by itself within a test. */
const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };

Deno.test("a payer with USDC and no ETH gets from nothing to a paid answer", async (t) => {
  await using market = await startMarket({
    settings: { settlement: BATCH, onboarding: { minimum: "100000", perMinute: 3 } },
  });
  const { chain, usdc, accounts: { provider, stranger } } = market;
  const cid = await market.deploy(HELLO);
  const fresh = async () => {
    const account = privateKeyToAccount(generatePrivateKey());
    await market.mint(account, 1_000_000n);
    return account;
  };
  const depositOf = (account: LocalAccount, credits = 500n) =>
    signDeposit(chain, account, {
      escrow: market.escrow,
      usdc,
      provider: provider.address,
      amount: 500_000n,
      pricePerCredit: PRICE,
      credits,
      lifetimeSeconds: 600n,
    });
  const headersFor = async (account: LocalAccount, deposit: DepositAuthorization) => {
    const paid = await market.pay(account);
    const payment = decodePaymentHeader(paid["PAYMENT-SIGNATURE"]!);
    return { "PAYMENT-SIGNATURE": encodePaymentHeader({ ...payment, deposit }) };
  };
  const creditsOf = async ({ address }: LocalAccount) =>
    (await readAllowance(chain, market.escrow, address, provider.address)).credits;

  await t.step("with one signed header, and concurrent calls relay it once", async () => {
    const account = await fresh();
    assert.equal(await chain.public.getBalance({ address: account.address }), 0n);
    const headers = await headersFor(account, await depositOf(account));
    const nonce = () =>
      chain.public.getTransactionCount({ address: market.accounts.operator.address });
    const before = await nonce();
    const answers = await Promise.all([1, 2, 3].map(() => market.call(cid, { headers })));
    for (const answer of answers) assert.equal(await answer.text(), "hello\n");
    assert.equal(await nonce() - before, 1);
    assert.equal(await creditsOf(account), 500n);
    assert.equal(await readUsdcBalance(chain, usdc, account.address), 500_000n);
    const notices = answers.map((answer) =>
      decodePaymentResponse(answer.headers.get("payment-response")!)
    );
    assert.ok(notices.every(({ transaction }) => transaction !== undefined));
    const later = await market.call(cid, { headers });
    assert.equal(await later.text(), "hello\n");
    const notice = decodePaymentResponse(later.headers.get("payment-response")!);
    assert.equal(notice.transaction, undefined);
    assert.equal(notice.availableCredits, 496n);
  });

  await t.step("without a call too", async () => {
    const account = await fresh();
    const deposit = depositToJson(await depositOf(account));
    const body = JSON.stringify({ payer: account.address, deposit });
    const response = await fetch(`${market.provider.url}/onboard`, { method: "POST", body });
    assert.equal(response.status, 200);
    assert.match((await response.json()).transaction, /^0x[0-9a-f]{64}$/);
    assert.equal(await creditsOf(account), 500n);
  });

  await t.step("what is not worth the gas, or not signed, is not sent", async () => {
    const account = await fresh();
    const good = await depositOf(account);
    const small = await depositOf(account, 99n);
    const foreign = { ...good, signature: (await depositOf(stranger)).signature };
    const grown = { ...good, credits: 600n };
    const poor = await depositOf(privateKeyToAccount(generatePrivateKey()));
    const cases: [DepositAuthorization, RegExp][] = [
      [small, /at least 0\.1 USDC more than before/],
      [foreign, /not signed by the payer/],
      [grown, /not signed by the payer/],
      [{ ...good, validBefore: 1n }, /not valid yet, or not for long enough/],
      [{ ...good, pricePerCredit: PRICE - 1n }, /a credit costs 0\.001/],
      [poor, /not signed by the payer/],
    ];
    for (const [deposit, reason] of cases) {
      const response = await market.call(cid, { headers: await headersFor(account, deposit) });
      assert.equal(response.status, 402);
      assert.match((await response.json()).message, reason);
    }
    assert.equal(await creditsOf(account), 0n);
  });

  await t.step("an empty wallet is refused before it is tried, and costs no turn", async () => {
    for (const _ of [1, 2, 3, 4]) {
      const account = privateKeyToAccount(generatePrivateKey());
      const headers = await headersFor(account, await depositOf(account));
      const response = await market.call(cid, { headers });
      assert.equal(response.status, 402);
      assert.match(
        (await response.json()).message,
        /the payer holds 0 USDC, the deposit takes 0\.5$/,
      );
    }
  });

  await t.step("so many a minute and no more", async () => {
    const statuses: number[] = [];
    for (const _ of [1, 2]) {
      const account = await fresh();
      const headers = await headersFor(account, await depositOf(account));
      const response = await market.call(cid, { headers });
      await response.body?.cancel();
      statuses.push(response.status);
    }
    assert.deepEqual(statuses, [200, 429]);
  });
});
