/** The payer's page when something is wrong: it says what, in words, and nothing is lost. */
import assert from "node:assert/strict";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { allow, deposit, readAllowance } from "../lib/chain/escrow.ts";
import { clientLane } from "../lib/chain/lane.ts";
import { CHROMIUM } from "../worlds/browser.ts";
import { openPage } from "../worlds/browser_page.ts";
import { DECLINED } from "../worlds/browser_wallet.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { startMarket } from "../worlds/market.ts";
import { IDLE, openPayPage } from "../worlds/pay_page.ts";

const HELLO = { files: { main: "#!/bin/sh\necho hello\n" }, fields: { access: "payer" } };
const SHELL = { files: { main: "#!/bin/sh\ncat\n" }, fields: { access: "payer" } };
const MOVED = {
  files: { main: "#!/bin/sh\nprintf 'HTTP/1.1 302 Found\\r\\nLocation: /terms\\r\\n\\r\\n'\n" },
  fields: { access: "payer" },
};
const SETTINGS = {
  settlement: { mode: "batch", intervalSeconds: 360, pollMs: 50 },
  onboarding: { minimum: "100000", perMinute: 60 },
};
const ignore = CHROMIUM === null;

Deno.test({ name: "a wallet on another chain is told so, and switched", ignore }, async (t) => {
  await using market = await startMarket({ settings: SETTINGS });
  const { payer, stranger } = market.accounts;
  await using at = await openPayPage(CHROMIUM!, market, payer, { isOld: true });
  const { page, wallet, act, text } = at;
  wallet.chainId = 1;
  await at.open();
  // Before EIP-6963 a wallet has no name.
  assert.equal(await text("#wallets"), "Connect Browser wallet");
  await act("#wallets button", "#wallet-said");

  await t.step("nothing is shown that another chain says", async () => {
    const told = "Your wallet is on chain 1; this provider is paid on chain 31337.";
    assert.equal(await text("#wrong-chain-text"), told);
    assert.equal(await text("#in-wallet"), "");
    assert.deepEqual(wallet.asked, ["eth_requestAccounts"]);
  });

  await t.step("a wallet that does not know the chain has to be told by its owner", async () => {
    wallet.chains.clear();
    const said = await act("#switch", "#wallet-said");
    assert.equal(
      said,
      "Your wallet does not know chain 31337. Add it in the wallet, then try again.",
    );
  });

  await t.step("one that does is switched", async () => {
    wallet.chains.add(31_337);
    wallet.refusal = DECLINED;
    const declined = await act("#switch", "#wallet-said");
    assert.match(declined, /^You declined it in the wallet\./);
    await act("#switch", "#wallet-said");
    await page.until("document.querySelector('#wrong-chain').hidden");
    await page.until(IDLE);
    assert.equal(await text("#in-wallet"), "150 USDC");
  });

  await t.step("another account is another payer, who sees nothing of the one before", async () => {
    const cid = await market.deploy(HELLO);
    await page.fill("#call-path", `/${cid}`);
    const unproved = await text("#unsettled");
    await act("#permit button", "#permit-said");
    await act("#call button", "#call-said");
    await act("#prove", "#money-said");
    assert.match(await text("#unsettled"), /^0\.001 USDC charged/);
    await wallet.use(stranger);
    const shown = JSON.stringify(stranger.address);
    await page.until(`document.querySelector('#account').textContent === ${shown}`);
    await page.until(IDLE);
    assert.equal(await text("#allowed"), "nothing yet");
    assert.equal(await text("#unsettled"), unproved);
    const left = await page.evaluate<string>(`
      ["#header-part", "#answer-part", "#lanes"].map((part) => document.querySelector(part).hidden)
        .join() + document.querySelector("#header").value +
      [...document.querySelectorAll(".said, #answer, #receipt, #lane-rows")]
        .map((part) => part.textContent).join("")`);
    assert.equal(left, "true,true,true");
  });

  await t.step(
    "a call takes the answer of the one before away, and what was unsettled",
    async () => {
      await wallet.use(payer);
      await page.until("document.querySelector('#allowed').textContent !== 'nothing yet'");
      await page.until(IDLE);
      const unproved = await text("#unsettled");
      await act("#prove", "#money-said");
      assert.notEqual(await text("#unsettled"), unproved);
      await act("#call button", "#call-said");
      assert.equal(await text("#unsettled"), unproved);
      wallet.refusal = DECLINED;
      await act("#call button", "#call-said");
      assert.equal(await page.evaluate("document.querySelector('#answer-part').hidden"), true);
      await act("#prove", "#money-said");
      assert.equal(
        await act("#revoke-signature", "#revoke-said").then(() => text("#unsettled")),
        unproved,
      );
    },
  );
  at.assertQuiet();
});

Deno.test({ name: "what is refused is said in words, and costs nothing", ignore }, async (t) => {
  await using market = await startMarket({ settings: SETTINGS });
  const { chain, escrow, usdc, accounts: { stranger, provider } } = market;
  const account = privateKeyToAccount(generatePrivateKey());
  await market.mint(account, 50_000n);
  const cid = await market.deploy(HELLO);
  await using at = await openPayPage(CHROMIUM!, market, account);
  const { page, wallet, act } = at;
  await at.open(`?call=/${cid}`);
  await at.connect();

  await t.step("more than there is", async () => {
    const said = await act("#add-signature", "#add-said");
    assert.equal(
      said,
      "Too little USDC: it takes 1, your wallet holds 0.05 and 0 is free in the escrow. " +
        "Send USDC to your wallet on this chain first.",
    );
    const call = await act("#call button", "#call-said");
    assert.match(call, /^The provider says: .+/);
  });

  await t.step("too little for its gas to be worth it", async () => {
    await page.fill("#add-credits", "50");
    const said = await act("#add-signature", "#add-said");
    assert.match(said, /^The provider sends deposits from 0\.1 USDC on, .*; this is 0\.05\./);
  });

  await t.step("no gas for a transaction", async () => {
    const said = await act("#add-transaction", "#add-said");
    assert.match(said, /^Your wallet holds too little of the chain's coin for the gas\./);
  });

  await t.step("what is no number, and no path of this provider's", async () => {
    await page.fill("#add-credits", "many");
    assert.equal(
      await act("#add-signature", "#add-said"),
      "Credits is a whole number, at least 1.",
    );
    for (const path of ["", "/", "/x", "https://elsewhere.test/x", "//elsewhere.test/x"]) {
      await page.fill("#call-path", path);
      const said = await act("#call button", "#call-said");
      assert.match(said, /^Write the path of a deployment here/, path);
    }
    // Which words are names the provider knows; nobody is asked to sign for what is none.
    const before = wallet.signed.length;
    await page.fill("#call-path", "/terms");
    assert.match(await act("#call button", "#call-said"), /^The provider says: /);
    assert.equal(wallet.signed.length, before);
  });

  await t.step("what the person declines", async () => {
    await market.mint(account, 1_000_000n);
    await page.fill("#add-credits", "1000");
    wallet.refusal = DECLINED;
    assert.equal(
      await act("#add-signature", "#add-said"),
      "You declined it in the wallet. Nothing was signed and nothing was sent.",
    );
    const { credits } = await readAllowance(chain, escrow, account.address, provider.address);
    assert.equal(credits, 0n);
  });

  await t.step(
    "an answer that never came: what was signed is sent again, not signed anew",
    async () => {
      const before = wallet.signed.length;
      await page.evaluate(`{
      const real = fetch;
      globalThis.fetch = (path, init) => {
        if (path !== "/onboard") return real(path, init);
        globalThis.fetch = real;
        return Promise.reject(new TypeError("cut off"));
      };
    }`);
      assert.match(await act("#add-signature", "#add-said"), /^The provider does not answer\./);
      assert.match(await act("#add-signature", "#add-said"), /^Done: 1,000 credits are allowed/);
      assert.equal(wallet.signed.length - before, 1);
    },
  );

  await t.step("a permit that another key has to sign", async () => {
    await market.mint(stranger, 1_000_000n);
    await deposit(chain, stranger, escrow, usdc, 1_000_000n);
    const wanted = { provider: provider.address, pricePerCredit: PRICE, credits: 10n };
    await allow(chain, stranger, escrow, { ...wanted, signer: provider.address });
    await wallet.use(stranger);
    await page.until("document.querySelector('#allowed').textContent.startsWith('10 credits')");
    await page.fill("#call-path", `/${cid}`);
    const said = await act("#call button", "#call-said");
    assert.ok(said.startsWith(`Permits for this provider are signed by ${provider.address}`), said);
  });
  at.assertQuiet();
});

Deno.test({ name: "a provider that relays nothing leaves transactions", ignore }, async () => {
  const settings = { ...SETTINGS, onboarding: { enabled: false }, relay: { enabled: false } };
  await using market = await startMarket({ settings });
  await using at = await openPayPage(CHROMIUM!, market, market.accounts.payer);
  await at.open();
  await at.connect();
  assert.match(await at.text("#add-note"), /^The provider sends no deposits now/);
  assert.match(await at.text("#back-note"), /^This provider sends no messages/);
  const disabled = await at.page.evaluate<string[]>(
    "[...document.querySelectorAll('[id$=-signature]')].filter((b) => !b.disabled).map((b) => b.id)",
  );
  assert.deepEqual(disabled, []);
  assert.equal(await at.act("#revoke-transaction", "#revoke-said"), "Done: 1,000 credits thaw.");
  at.assertQuiet();
});

Deno.test({ name: "a call is paid for whatever was charged before", ignore }, async (t) => {
  await using market = await startMarket({ settings: SETTINGS });
  const { payer } = market.accounts;
  const [cid, moved] = [await market.deploy(SHELL), await market.deploy(MOVED)];
  await using at = await openPayPage(CHROMIUM!, market, payer);
  const { page, wallet, act, text } = at;
  await at.open(`?call=/${cid}/`);
  await at.connect();

  await t.step("by another signature, from where the provider has the lane", async () => {
    const headers = await market.pay(payer, { lane: clientLane(payer.address, "browser") });
    for (let i = 0; i < 3; i++) await (await market.call(cid, { headers })).body?.cancel();
    assert.equal(await act("#call button", "#call-said"), "1 credit charged, 996 left.");
    const credits = wallet.signed.map(({ message }) => message.credits);
    assert.deepEqual(credits, ["1", "4"]);
  });

  await t.step("with a body, which comes back as text and as nothing else", async () => {
    await page.evaluate("document.querySelector('#call-method').value = 'POST'");
    await page.fill("#call-body", "<img src=x onerror=alert(1)>");
    await act("#call button", "#call-said");
    assert.equal(await text("#answer"), "<img src=x onerror=alert(1)>");
    assert.equal(wallet.signed.length, 3);
  });

  await t.step("and where a program leads elsewhere, the page stays", async () => {
    await page.fill("#call-path", `/${moved}`);
    const said = await act("#call button", "#call-said");
    assert.match(said, /^The program sent you elsewhere/);
    assert.doesNotMatch(await page.text("body"), /Be kind/);
  });
  at.assertQuiet();
});

Deno.test({ name: "the page is used by keys alone", ignore }, async () => {
  await using market = await startMarket({ settings: SETTINGS });
  const account = privateKeyToAccount(generatePrivateKey());
  await market.mint(account, 5_000_000n);
  await using at = await openPayPage(CHROMIUM!, market, account);
  const { page, text } = at;
  await at.open();
  const focused = "document.activeElement.id || document.activeElement.textContent";
  const tabTo = async (id: string) => {
    for (let i = 0; i < 40 && await page.evaluate(focused) !== id; i++) await page.press("Tab");
    assert.equal(await page.evaluate(focused), id);
  };
  await tabTo("Connect Test Wallet");
  await page.press("Enter");
  await page.until("document.querySelector('#in-wallet').textContent === '5 USDC'");
  await page.until(IDLE);
  // Whoever does not see it is where the news is.
  assert.equal(await page.evaluate(focused), "money-heading");
  await tabTo("add-credits");
  await page.evaluate("document.activeElement.select()");
  await page.press("250", "Tab", " ");
  await page.until("document.querySelector('#add-said').textContent.startsWith('Done')");
  await page.until(IDLE);
  assert.match(await text("#allowed"), /^250 credits /);
  // The focus stays where it was, and what was done is announced.
  assert.equal(await page.evaluate(focused), "add-signature");
  assert.equal(await page.evaluate("document.querySelector('#add-said').role"), "status");
  at.assertQuiet();
});

Deno.test({ name: "without scripts the page says what to do", ignore }, async () => {
  await using market = await startMarket({ settings: SETTINGS });
  await using page = await openPage(CHROMIUM!);
  await page.withoutScripts();
  await page.open(`${market.provider.url}/pay?call=/bafy/x`);
  const shown = await page.text("body");
  for (
    const said of [
      "0.001 USDC a credit; one buys a call of up to 15 s",
      "allow this page\nits script",
      "khachapuri allow provider.test --credits 1000",
      "khachapuri call --pay provider.test/bafy/x",
    ]
  ) assert.ok(shown.includes(said.replace("\n", " ")), said);
  // Nothing that would do nothing.
  const buttons = "[...document.querySelectorAll('button')].filter((b) => b.offsetParent).length";
  assert.equal(await page.evaluate(buttons), 0);
});
