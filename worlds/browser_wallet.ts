/**
 * A wallet in a browser's page, as an extension puts one there, whose keys are the test's: it signs
 * for real and sends real transactions. What a person would decide, the test decides.
 */
import assert from "node:assert/strict";
import { createWalletClient, http, type LocalAccount } from "viem";
import type { BrowserPage } from "./browser_page.ts";

/** A wallet's refusal, by EIP-1193's codes. */
interface Refusal {
  readonly code: number;
  readonly message: string;
}

export const DECLINED: Refusal = { code: 4001, message: "User rejected the request." };
const UNKNOWN_CHAIN: Refusal = { code: 4902, message: "Unrecognized chain ID." };

export interface BrowserWallet {
  /** What the page asked of it that a person sees, in order. */
  readonly asked: string[];
  /** The typed data that it signed. */
  // deno-lint-ignore no-explicit-any
  readonly signed: any[];
  /** The chain that it is on. */
  chainId: number;
  /** Chains that it knows. */
  readonly chains: Set<number>;
  /** What it says to the next request that a person has to confirm; null: it is confirmed. */
  refusal: Refusal | null;
  /** Another account is chosen in it. */
  use(account: LocalAccount): Promise<void>;
}

export interface BrowserWalletOptions {
  readonly account: LocalAccount;
  readonly rpc: string;
  readonly chainId: number;
  /** At `window.ethereum` alone, as before EIP-6963. */
  readonly isOld?: boolean;
}

const NAME = "Test Wallet";

const STUB = (isOld: boolean) =>
  `{
  const waiting = new Map();
  const listeners = {};
  let last = 0;
  const provider = {
    request: ({ method, params = [] }) => new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      walletAsk(JSON.stringify({ id: last, method, params }));
    }),
    on: (event, listener) => (listeners[event] ??= []).push(listener),
  };
  globalThis.walletAnswer = (id, result, error) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    error ? reject(error) : resolve(result);
  };
  globalThis.walletTell = (event, value) => {
    for (const listener of listeners[event] ?? []) listener(value);
  };
  if (${isOld}) globalThis.ethereum = provider;
  else {
    const info = { uuid: crypto.randomUUID?.() ?? "1", name: "${NAME}", rdns: "test", icon: "" };
    const detail = Object.freeze({ info, provider });
    const announce = () =>
      dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
    addEventListener("eip6963:requestProvider", announce);
    announce();
  }
}`;

/** Puts it into the pages that are opened from now on. */
export async function installWallet(
  page: BrowserPage,
  options: BrowserWalletOptions,
): Promise<BrowserWallet> {
  const state = { ...options };
  const tell = (event: string, value: unknown) =>
    page.evaluate(`walletTell(${JSON.stringify(event)}, ${JSON.stringify(value)})`);
  const wallet: BrowserWallet = {
    asked: [],
    signed: [],
    chainId: options.chainId,
    chains: new Set([options.chainId]),
    refusal: null,
    async use(account) {
      state.account = account;
      await tell("accountsChanged", [account.address]);
    },
  };
  const onAsked = async (text: string) => {
    const { id, method, params } = JSON.parse(text);
    const before = wallet.chainId;
    const said = await answer(wallet, state, method, params).then(
      (result) => [id, result ?? null, null],
      (error) => [id, null, { code: error.code ?? -32603, message: String(error.message) }],
    );
    if (wallet.chainId !== before) await tell("chainChanged", `0x${wallet.chainId.toString(16)}`);
    await page.evaluate(`walletAnswer(${said.map((each) => JSON.stringify(each)).join(", ")})`);
  };
  // A page that has gone meanwhile waits for no answer.
  await page.addBinding("walletAsk", (text) => void onAsked(text).catch(() => {}));
  await page.addScript(STUB(options.isOld ?? false));
  return wallet;
}

const CONFIRMED =
  /^(?:eth_requestAccounts|eth_sendTransaction|eth_signTypedData_v4|wallet_(?:switch|add)\w+)$/;

async function answer(
  wallet: BrowserWallet,
  { account, rpc, chainId: home }: BrowserWalletOptions,
  method: string,
  // deno-lint-ignore no-explicit-any
  params: any[],
): Promise<unknown> {
  if (CONFIRMED.test(method)) {
    wallet.asked.push(method);
    const { refusal } = wallet;
    wallet.refusal = null;
    if (refusal) throw refusal;
  }
  switch (method) {
    case "eth_requestAccounts":
    case "eth_accounts":
      return [account.address.toLowerCase()];
    case "eth_chainId":
      return `0x${wallet.chainId.toString(16)}`;
    case "wallet_switchEthereumChain": {
      const wanted = Number(params[0].chainId);
      if (!wallet.chains.has(wanted)) throw UNKNOWN_CHAIN;
      wallet.chainId = wanted;
      return null;
    }
    case "eth_signTypedData_v4":
      return await signAsAsked(wallet, account, params);
    case "eth_sendTransaction": {
      const [{ to, data }] = params;
      const client = createWalletClient({ account, transport: http(rpc) });
      return await client.sendTransaction({ chain: null, to, data });
    }
    default:
      assert.equal(wallet.chainId, home, `${method} on another chain`);
      return await forward(rpc, method, params);
  }
}

/** As MetaMask does: for the account that it shows, on the chain that it is on, by all types. */
async function signAsAsked(
  wallet: BrowserWallet,
  account: LocalAccount,
  [address, json]: string[],
) {
  const asked = JSON.parse(json!);
  assert.equal(address!.toLowerCase(), account.address.toLowerCase());
  assert.equal(Number(asked.domain.chainId), wallet.chainId);
  // Without it MetaMask takes the domain's type for empty, and signs something else.
  assert.deepEqual(
    asked.types.EIP712Domain.map(({ name }: { name: string }) => name),
    Object.keys(asked.domain),
  );
  wallet.signed.push(asked);
  return await account.signTypedData(asked);
}

async function forward(rpc: string, method: string, params: unknown[]): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const headers = { "content-type": "application/json" };
  const { result, error } = await (await fetch(rpc, { method: "POST", headers, body })).json();
  if (error) throw error;
  return result;
}
