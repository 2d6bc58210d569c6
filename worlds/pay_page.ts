/** A payer at the provider's page: a browser, a wallet in it, and what the person does there. */
import assert from "node:assert/strict";
import type { LocalAccount } from "viem";
import { type BrowserPage, openPage } from "./browser_page.ts";
import { type BrowserWallet, type BrowserWalletOptions, installWallet } from "./browser_wallet.ts";
import type { Market } from "./market.ts";

export interface PayPage extends AsyncDisposable {
  readonly page: BrowserPage;
  readonly wallet: BrowserWallet;
  /** Opens the page, `query` included, and waits for the wallet's button. */
  open(query?: string): Promise<void>;
  connect(): Promise<void>;
  /** Presses a button and waits until the page is done. @returns what it says then */
  act(button: string, said: string): Promise<string>;
  text(selector: string): Promise<string>;
  /** That the page broke no rule of its own, and asked nobody but the provider. */
  assertQuiet(): void;
}

/** The page is idle: what was asked of it is done, and shown. */
export const IDLE = "document.querySelector('main').getAttribute('aria-busy') === 'false'";

export async function openPayPage(
  chromium: string,
  market: Market,
  account: LocalAccount,
  options: Partial<BrowserWalletOptions> = {},
): Promise<PayPage> {
  const page = await openPage(chromium);
  const { rpc, chain: { chainId } } = market;
  const wallet = await installWallet(page, { account, rpc, chainId, ...options });
  const { url } = market.provider;
  const act = async (button: string, said: string) => {
    await page.until(IDLE);
    await page.click(button);
    await page.until(IDLE);
    return await page.text(said);
  };
  return {
    page,
    wallet,
    act,
    text: page.text,
    async open(query = "") {
      await page.open(`${url}/pay${query}`);
      await page.until("document.querySelector('#wallets button')");
    },
    connect: async () => assert.equal(await act("#wallets button", "#wallet-said"), "Connected."),
    assertQuiet() {
      assert.deepEqual(page.faults, []);
      for (const asked of page.requests) {
        assert.ok(asked.startsWith(`${url}/`) || asked === "about:blank", asked);
      }
    },
    [Symbol.asyncDispose]: () => page[Symbol.asyncDispose](),
  };
}
