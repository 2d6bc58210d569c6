/**
 * The one signed deposit of a payer that a provider may relay. Whoever holds two of them can have
 * both mined, so a call or command that is repeated brings the same one along until the escrow has
 * taken it or nobody can send it any more.
 */
import type { Address, LocalAccount } from "viem";
import { usdcAbi } from "../chain/abi.ts";
import { blockTime, type Chain } from "../chain/client.ts";
import { depositAndAllowNonce } from "../chain/escrow.ts";
import { signDeposit } from "../chain/onboarding.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { creditsText } from "../credits_text.ts";
import { KhachapuriError } from "../errors.ts";
import type { DepositAuthorization } from "../deposit_authorization.ts";
import { timeText } from "../time_text.ts";
import type { PartiesKey, PermitBook } from "./permit_book.ts";

export interface StandingDepositOptions {
  key: PartiesKey;
  usdc: Address;
  /** USDC base units. */
  amount: bigint;
  credits: bigint;
  /** USDC base units. */
  pricePerCredit: bigint;
  book: Pick<PermitBook, "deposit" | "keepDeposit">;
  /** Unix ms. */
  now?: () => number;
}

/** A deposit that nobody relayed in this time is void, seconds. */
const LIFETIME_SECONDS = 600n;
/** How wrong this machine's clock may be while no block comes, seconds. */
const CLOCK_FAULT_SECONDS = 900n;

/**
 * The deposit to send: one that was signed before and may still be mined, else a new one.
 * @throws KhachapuriError `payment_required` when that one is for other terms, `chain_unavailable`
 */
export async function standingDeposit(
  chain: Chain,
  account: LocalAccount,
  options: StandingDepositOptions,
): Promise<DepositAuthorization> {
  const { key, usdc, amount, credits, pricePerCredit, book, now = Date.now } = options;
  const before = await book.deposit(key);
  if (before && await mayBeMined(chain, options, before)) return assertMeant(before, options);
  const { escrow, provider } = key;
  const signed = await signDeposit(chain, account, {
    escrow,
    usdc,
    provider,
    amount,
    credits,
    pricePerCredit,
    now,
    lifetimeSeconds: LIFETIME_SECONDS,
  });
  return assertMeant(await book.keepDeposit(key, signed, before), options);
}

async function mayBeMined(
  chain: Chain,
  { key, usdc, now = Date.now }: StandingDepositOptions,
  deposit: DepositAuthorization,
): Promise<boolean> {
  const { payer, provider } = key;
  const ours = BigInt(Math.floor(now() / 1000)) - CLOCK_FAULT_SECONDS;
  if (ours >= deposit.validBefore || await blockTime(chain) >= deposit.validBefore) return false;
  const nonce = depositAndAllowNonce(payer, provider, deposit);
  const isMined = await chain.read<boolean>({
    address: usdc,
    abi: usdcAbi,
    functionName: "authorizationState",
    args: [payer, nonce],
  });
  return !isMined;
}

/** @throws KhachapuriError `payment_required` when other terms were signed before */
function assertMeant(
  deposit: DepositAuthorization,
  { amount, credits, pricePerCredit }: StandingDepositOptions,
): DepositAuthorization {
  const isMeant = deposit.amount === amount && deposit.credits === credits &&
    deposit.pricePerCredit === pricePerCredit;
  if (isMeant) return deposit;
  const terms = `${formatUsdc(deposit.amount)} USDC for ${creditsText(deposit.credits)}`;
  const message = `a deposit of ${terms} at ${formatUsdc(deposit.pricePerCredit)} USDC is signed ` +
    `and may be mined until ${timeText(deposit.validBefore)}`;
  throw new KhachapuriError("payment_required", message, {
    hints: ["ask for the same again, which sends that one", "or wait until then"],
  });
}
