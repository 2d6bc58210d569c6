/** What a call costs, and that a refused one costs nothing. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { readAllowance } from "../lib/chain/escrow.ts";
import type { Market } from "./market.ts";

/** Credits of the market's usual 1,000 that `account` has been charged on chain. */
export async function spent(market: Market, account: { address: Hex }): Promise<bigint> {
  const { chain, escrow, accounts } = market;
  const held = await readAllowance(chain, escrow, account.address, accounts.provider.address);
  return 1_000n - held.credits;
}

export interface Refusal {
  error: string;
  message: string;
  hints?: string[];
}

/** The call must be refused with this status and code, and cost neither owner nor payer. */
export async function refuses(
  market: Market,
  call: Promise<Response>,
  status: number,
  code: string,
): Promise<Refusal> {
  const before = await Promise.all([
    spent(market, market.accounts.owner),
    spent(market, market.accounts.payer),
  ]);
  const response = await call;
  const refusal: Refusal = await response.json();
  assert.deepEqual([response.status, refusal.error], [status, code], refusal.message);
  const after = await Promise.all([
    spent(market, market.accounts.owner),
    spent(market, market.accounts.payer),
  ]);
  assert.deepEqual(after, before, "somebody was charged");
  return refusal;
}
