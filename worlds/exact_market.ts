/** A market whose callers pay by x402's `exact`, with what the book and the chain say of it. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import {
  type Address,
  encodeFunctionData,
  type Hex,
  type LocalAccount,
  numberToHex,
  parseAbi,
  parseEventLogs,
} from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { usdcAbi } from "../lib/chain/abi.ts";
import { transferCall } from "../lib/chain/transfer_call.ts";
import { pause } from "../lib/pause.ts";
import type { TransferAuthorization } from "../lib/transfer_authorization.ts";
import { ask, giveEther } from "./chain/anvil_calls.ts";
import {
  type ExactEntry,
  exactHeader,
  exactIn,
  settlementIn,
  type SignedExact,
  signExact,
} from "./exact_payer.ts";
import { type Market, type MarketOptions, type Program, startMarket } from "./market.ts";

/** What one call costs, USDC base units. */
export const EXACT_PRICE = 10_000n;
const SETTINGS = { settlement: { mode: "batch", intervalSeconds: 360, pollMs: 50 } };
const HELLO = { files: { main: "#!/bin/sh\nprintf 'hello '; cat\n" } };

/** Starts a market where nobody pays for others. */
export async function startExactMarket(options: MarketOptions = {}): Promise<Market> {
  return await startMarket({ ...options, settings: { ...SETTINGS, ...options.settings } });
}

/** Deploys a program whose callers pay; "hello " and the body by default. */
export async function deployPaid(market: Market, program: Program = HELLO): Promise<string> {
  return await market.deploy({ ...program, fields: { access: "payer", ...program.fields } });
}

/** Somebody with so much USDC, and ETH to do things on chain. */
export async function newPayer(market: Market, amount = 10n * EXACT_PRICE): Promise<LocalAccount> {
  const account = privateKeyToAccount(generatePrivateKey());
  await market.mint(account, amount);
  await giveEther(market.chain, account.address);
  return account;
}

/** What a call of a deployment is asked to pay. */
export async function askedOf(market: Market, cid: string): Promise<ExactEntry> {
  const response = await market.call(cid);
  await response.body?.cancel();
  return exactIn(response);
}

/** Signs for a call, or something else. */
export async function payFor(
  market: Market,
  payer: LocalAccount,
  cid: string,
  changes: Partial<TransferAuthorization> = {},
): Promise<SignedExact> {
  return await signExact(payer, await askedOf(market, cid), changes);
}

export interface ExactAnswer {
  status: number;
  text: string;
  /** x402's word for why not. */
  reason: string | null;
  settlement: Record<string, unknown> | null;
  isReplay: boolean;
  headers: Headers;
}

/** Sends a payment along. */
export async function send(
  market: Market,
  cid: string,
  signed: SignedExact,
  init: RequestInit = {},
): Promise<ExactAnswer> {
  const headers = { ...init.headers as Record<string, string>, ...exactHeader(signed) };
  return await answerOf(await market.call(cid, { ...init, headers }));
}

export async function answerOf(response: Response): Promise<ExactAnswer> {
  const { status, headers } = response;
  const text = await response.text();
  const isOk = status === 200;
  const { reason = null, x402Reason = reason } = isOk ? {} : JSON.parse(text);
  return {
    status,
    text,
    reason: x402Reason,
    settlement: settlementIn(response),
    isReplay: headers.get("idempotency-replayed") === "true",
    headers,
  };
}

/** Runs that a provider began since it was started, whatever became of them. */
export async function runsOf({ provider }: Pick<Market, "provider">): Promise<number> {
  const text = await (await fetch(`${provider.url}/metrics`)).text();
  const counts = text.matchAll(/^khachapuri_runs_total\{.*\} (\d+)$/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** A row of the book, as far as tests look into it. */
export interface BookRow {
  payer: Address;
  nonce: Hex;
  value: string;
  state: string;
  txHash: Hex | null;
  outcome: string | null;
}

/** What the provider's book says of single payments, oldest first. */
export function bookOf({ home }: Pick<Market, "home">): BookRow[] {
  const path = join(home, "state", "book", "purchases.db");
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const sql = "SELECT payer, nonce, value, state, txHash, outcome FROM purchases ORDER BY id";
    return database.prepare(sql).all() as unknown as BookRow[];
  } finally {
    database.close();
  }
}

/** Resolves when the book says so of a payment. */
export async function untilBook(
  market: Pick<Market, "home">,
  { authorization: { nonce } }: SignedExact,
  isSo: (row: BookRow) => boolean,
): Promise<BookRow> {
  for (const until = Date.now() + 60_000; Date.now() < until; await pause(20)) {
    const row = bookOf(market).find((one) => one.nonce === nonce);
    if (row && isSo(row)) return row;
  }
  throw new Error(`the book does not say so: ${JSON.stringify(bookOf(market))}`);
}

/** A transaction was broadcast for it. */
export const isOut = ({ state, txHash }: BookRow) => state === "sent" && txHash !== null;

/** What the provider got by authorisations since the chain began, by payer and nonce. */
export async function paidOnChain(market: Market): Promise<Map<string, bigint>> {
  const { chain, usdc, accounts: { provider } } = market;
  const logs = await chain.public.getLogs({ address: usdc, fromBlock: 0n });
  const events = parseEventLogs({
    abi: usdcAbi,
    eventName: ["AuthorizationUsed", "Transfer"],
    logs,
  });
  const paid = new Map<string, bigint>();
  for (const [index, used] of events.entries()) {
    const moved = events[index + 1];
    if (used.eventName !== "AuthorizationUsed" || moved?.eventName !== "Transfer") continue;
    if (moved.args.to !== provider.address) continue;
    const key = `${used.args.authorizer} ${used.args.nonce}`;
    assert.ok(!paid.has(key), "one nonce moved money twice");
    paid.set(key, moved.args.value);
  }
  return paid;
}

/**
 * Book and chain agree to the unit: what the book says was paid is what the chain moved, each
 * answer has its payment, and nothing is left under way.
 * @param answered how many requests the callers saw answered
 */
export async function auditExact(market: Market, answered: number): Promise<void> {
  const book = bookOf(market);
  const told = new Map(
    book.filter(({ state }) => state === "paid").map((
      { payer, nonce, value },
    ) => [`${payer} ${nonce}`, BigInt(value)]),
  );
  assert.deepEqual(told, await paidOnChain(market));
  for (const row of book) {
    assert.notEqual(row.state, "sent", `left under way: ${JSON.stringify(row)}`);
    if (row.outcome !== null) assert.equal(row.state, "paid", "answered and not paid");
  }
  assert.equal(book.filter(({ outcome }) => outcome !== null).length, answered);
}

/** What is put before the operator's transactions in the next block, as its fee is higher. */
export const FIRST = { maxFeePerGas: 500n * 10n ** 9n, maxPriorityFeePerGas: 300n * 10n ** 9n };

/** Sends a call of the token's that is mined before all others; nothing is waited for. */
export async function rush(
  market: Market,
  account: LocalAccount,
  functionName: string,
  args: readonly unknown[],
): Promise<void> {
  const { chain, usdc } = market;
  const abi = [
    ...usdcAbi,
    ...parseAbi([
      "function cancelAuthorization(address authorizer, bytes32 nonce, bytes signature)",
      "function blacklist(address account)",
      "function pause()",
    ]),
  ];
  const data = encodeFunctionData({ abi, functionName, args } as never);
  const raw = await account.signTransaction({
    type: "eip1559",
    chainId: chain.chainId,
    nonce: await chain.public.getTransactionCount({ address: account.address }),
    to: usdc,
    data,
    gas: 300_000n,
    ...FIRST,
  });
  await ask(chain, "eth_sendRawTransaction", raw);
}

/** Has an authorisation taken by somebody who is not the provider. */
export async function rushTransfer(
  market: Market,
  account: LocalAccount,
  { authorization, signature }: SignedExact,
): Promise<void> {
  const { functionName, args } = transferCall(market.usdc, authorization, signature);
  await rush(market, account, functionName, args!);
}

/** Signs that an authorisation is never to be taken. */
export async function signCancel(
  market: Market,
  payer: LocalAccount,
  { entry, authorization: { nonce } }: SignedExact,
): Promise<readonly unknown[]> {
  const signature = await payer.signTypedData({
    domain: {
      ...entry.extra,
      chainId: market.chain.chainId,
      verifyingContract: market.usdc,
    },
    types: {
      CancelAuthorization: [
        { name: "authorizer", type: "address" },
        { name: "nonce", type: "bytes32" },
      ],
    },
    primaryType: "CancelAuthorization",
    message: { authorizer: payer.address, nonce },
  });
  return [payer.address, nonce, signature];
}

/** Mines one block. */
export async function mineOne({ chain }: Pick<Market, "chain">): Promise<void> {
  await ask(chain, "anvil_mine", numberToHex(1));
}
