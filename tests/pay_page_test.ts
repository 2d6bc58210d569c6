/** The payer's page in a real browser, with a wallet that signs for real: every way in and out. */
import assert from "node:assert/strict";
import type { LocalAccount } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { readAllowance, readBalance, readConsumed } from "../lib/chain/escrow.ts";
import { clientLane } from "../lib/chain/lane.ts";
import { readUsdcBalance } from "../lib/chain/usdc.ts";
import { CHROMIUM } from "../worlds/browser.ts";
import { passTime, setBalance } from "../worlds/chain/anvil_calls.ts";
import { THAWING_SECONDS } from "../worlds/chain/escrow_chain.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { openPayPage } from "../worlds/pay_page.ts";

const HELLO = { files: { main: "#!/bin/sh\necho hello\n" }, fields: { access: "payer" } };
/** Nothing settles by itself within a test. */
const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };
const SETTINGS = { settlement: BATCH, onboarding: { minimum: "100000", perMinute: 60 } };

/** What the chain says of an account. */
async function fundsOf({ chain, usdc, escrow, accounts }: Market, { address }: LocalAccount) {
  const [wallet, free, { credits, thawingCredits, epoch }] = await Promise.all([
    readUsdcBalance(chain, usdc, address),
    readBalance(chain, escrow, address),
    readAllowance(chain, escrow, address, accounts.provider.address),
  ]);
  return { wallet, free, credits, thawingCredits, epoch };
}

async function newAccount(market: Market, amount: bigint): Promise<LocalAccount> {
  const account = privateKeyToAccount(generatePrivateKey());
  await market.mint(account, amount);
  return account;
}

Deno.test(
  { name: "a person with USDC and no gas pays by signatures alone", ignore: CHROMIUM === null },
  async (t) => {
    await using market = await startMarket({ settings: SETTINGS });
    const { chain, escrow, accounts: { provider } } = market;
    const account = await newAccount(market, 5_000_000n);
    const funds = () => fundsOf(market, account);
    const cid = await market.deploy(HELLO);
    await using at = await openPayPage(CHROMIUM!, market, account);
    const { page, wallet, act, text } = at;
    await at.open(`?call=/${cid}/`);
    await at.connect();
    assert.equal(await text("#account"), account.address);
    assert.equal(await text("#in-wallet"), "5 USDC");
    assert.equal(await text("#allowed"), "nothing yet");

    await t.step("pays for a call at once, with nothing deposited", async () => {
      assert.equal(await text("#exact-price"), "0.01 USDC");
      await page.click("input[value=exact]");
      const said = await act("#call button", "#call-said");
      assert.match(said, /^0\.01 USDC paid by transaction 0x[0-9a-f]{64}\.$/);
      assert.equal(await text("#answer"), "hello\n");
      const href = await page.evaluate<string>("document.querySelector('#receipt a').href");
      assert.equal((await (await fetch(href)).json()).payer, account.address);
      const { wallet: left, free } = await funds();
      assert.deepEqual([left, free], [4_990_000n, 0n]);
      assert.equal(await text("#in-wallet"), "4.99 USDC");
      await page.click("input[value=credits]");
      wallet.asked.length = 0;
    });

    await t.step("deposits and allows by one signature", async () => {
      const said = await act("#add-signature", "#add-said");
      assert.equal(said, "Done: 1,000 credits are allowed to provider.test.");
      const { credits, wallet: left, free } = await funds();
      assert.deepEqual([credits, left, free], [1_000n, 3_990_000n, 0n]);
      assert.match(await text("#allowed"), /^1,000 credits at 0\.001 USDC each, 1 USDC locked$/);
      assert.deepEqual(wallet.asked, ["eth_signTypedData_v4"]);
    });

    await t.step("pays for a call, and sees answer, cost and receipt", async () => {
      assert.equal(await act("#call button", "#call-said"), "1 credit charged, 999 left.");
      assert.equal(await text("#answer"), "hello\n");
      assert.equal(await text("#answer-status"), "Status 200");
      const href = await page.evaluate<string>("document.querySelector('#receipt a').href");
      const { payer, deployment } = await (await fetch(href)).json();
      assert.deepEqual([payer, deployment], [account.address, cid]);
      // One more signature for each call, and no more.
      await act("#call button", "#call-said");
      assert.equal(wallet.signed.filter(({ primaryType }) => primaryType === "Permit").length, 2);
    });

    await t.step("makes a header for curl that is worth what it says", async () => {
      await page.fill("#permit-credits", "2");
      assert.equal(await act("#permit button", "#permit-said"), "Done: the line is below.");
      const line = await page.evaluate<string>("document.querySelector('#header').value");
      const [, header] = /^curl -H 'PAYMENT-SIGNATURE: (\S+)' '(http\S+)'$/.exec(line)!;
      assert.equal(line.split("'").at(-2), `${market.provider.url}/${cid}/`);
      const statuses = [];
      for (let i = 0; i < 3; i++) {
        const answer = await market.call(cid, { headers: { "PAYMENT-SIGNATURE": header! } });
        statuses.push(answer.status);
        await answer.body?.cancel();
      }
      assert.deepEqual(statuses, [200, 200, 402]);
      // The next is worth two again, whatever the chain knows yet of those that are used.
      await act("#permit button", "#permit-said");
      const { message } = wallet.signed.at(-1);
      assert.deepEqual([message.credits, wallet.signed.at(-2).message.credits], ["4", "2"]);
    });

    await t.step("sees what is unsettled, once it is proved who asks", async () => {
      await act("#prove", "#money-said");
      assert.equal(
        await text("#unsettled"),
        "0.004 USDC charged, and not yet taken out of what is locked",
      );
      const rows = await text("#lane-rows");
      assert.match(rows, /calls from this page\s+0\.002 USDC/);
      assert.match(rows, /headers made here\s+0\.002 USDC/);
      // The question is no permit that anybody could use.
      assert.equal(wallet.signed.at(-1).message.deadline, "0");
    });

    await t.step("takes permits and credits back, for nothing", async () => {
      const voided = await act("#void-signature", "#void-said");
      assert.match(voided, /^Done: permits signed so far end .* It cost nothing\.$/);
      assert.match(await text("#thawing"), /^permits signed so far are void from /);
      const lane = clientLane(account.address, "browser");
      // The notice has the provider settle what it served.
      while (await readConsumed(chain, escrow, account.address, provider.address, lane) < 2n);
      const revoked = await act("#revoke-signature", "#revoke-said");
      assert.match(revoked, /^Done: \d+ credits thaw\. It cost nothing\.$/);
      const { credits, thawingCredits } = await funds();
      assert.ok(credits > 0n && thawingCredits === credits);
      assert.match(
        await text("#thawing"),
        /^996 of them \(0\.996 USDC\) thawing until .*; permits /,
      );
      assert.equal(
        await page.evaluate("document.querySelector('#reclaim-signature').disabled"),
        true,
      );
    });

    await t.step("and has it in its wallet when it has thawed, for a fee", async () => {
      await passTime(chain, THAWING_SECONDS + 1n);
      await act("#refresh", "#money-said");
      assert.match(await text("#thawing"), /^\d+ of them \(\S+ USDC\) thawed: reclaim them/);
      const reclaimed = await act("#reclaim-signature", "#reclaim-said");
      assert.equal(reclaimed, "Done: what has thawed is free. It cost 0.01 USDC.");
      const withdrawn = await act("#withdraw-signature", "#withdraw-said");
      assert.match(withdrawn, /^Done: 0\.97\d USDC are in your wallet\. It cost 0\.01 USDC\.$/);
      const { wallet: left, free, credits } = await funds();
      // Five calls and two fees are gone.
      assert.deepEqual([left, free, credits], [4_966_000n, 0n, 0n]);
    });
    assert.equal(await chain.public.getTransactionCount(account), 0);
    at.assertQuiet();
  },
);

Deno.test(
  { name: "a person with gas does the same by transactions", ignore: CHROMIUM === null },
  async (t) => {
    await using market = await startMarket({ settings: SETTINGS });
    const { chain } = market;
    const account = await newAccount(market, 5_000_000n);
    await setBalance(chain, account.address, 10n ** 18n);
    const funds = () => fundsOf(market, account);
    await using at = await openPayPage(CHROMIUM!, market, account);
    const { page, wallet, act, text } = at;
    await at.open();
    await at.connect();

    await t.step("deposits and allows, by no more transactions than it takes", async () => {
      await page.fill("#add-credits", "2000");
      assert.equal(await text("#add-cost"), "Locks 2 USDC: 2,000 credits in all.");
      const said = await act("#add-transaction", "#add-said");
      assert.equal(said, "Done: 2,000 credits are allowed to provider.test.");
      const { credits, wallet: left } = await funds();
      assert.deepEqual([credits, left], [2_000n, 3_000_000n]);
      const sent = wallet.asked.filter((method) => method === "eth_sendTransaction");
      assert.equal(sent.length, 3);
    });

    await t.step("revokes some, and thinks better of it", async () => {
      await page.fill("#revoke-credits", "500");
      assert.equal(await act("#revoke-transaction", "#revoke-said"), "Done: 500 credits thaw.");
      assert.match(await text("#add-cost"), /What thaws now stays allowed instead\.$/);
      await page.fill("#add-credits", "1");
      await act("#add-transaction", "#add-said");
      const { credits, thawingCredits } = await funds();
      assert.deepEqual([credits, thawingCredits], [2_001n, 0n]);
    });

    await t.step("takes all of it back", async () => {
      await act("#void-transaction", "#void-said");
      await page.fill("#revoke-credits", " ");
      assert.equal(await act("#revoke-transaction", "#revoke-said"), "Done: 2,001 credits thaw.");
      await passTime(chain, THAWING_SECONDS + 1n);
      await act("#refresh", "#money-said");
      await act("#reclaim-transaction", "#reclaim-said");
      await page.fill("#withdraw-amount", "0.5");
      assert.equal(
        await act("#withdraw-transaction", "#withdraw-said"),
        "Done: 0.5 USDC are in your wallet.",
      );
      await page.fill("#withdraw-amount", " ");
      await act("#withdraw-transaction", "#withdraw-said");
      const { wallet: left, free, credits, epoch } = await funds();
      assert.deepEqual([left, free, credits, epoch], [5_000_000n, 0n, 0n, 1]);
    });
    at.assertQuiet();
  },
);
