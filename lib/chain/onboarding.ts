/** Deposit and allowance by one signature of a payer without ETH, for somebody else to send. */
import { type Address, type Hex, type LocalAccount, toHex, zeroAddress } from "viem";
import type { DepositAuthorization } from "../deposit_authorization.ts";
import type { Chain } from "./client.ts";
import { depositAndAllowNonce } from "./escrow.ts";
import { signReceiveAuthorization, type UsdcDomain, usdcDomain } from "./usdc.ts";

export interface DepositTerms {
  escrow: Address;
  provider: Address;
  /** USDC base units; what the allowance does not lock is the payer's free balance. */
  amount: bigint;
  /** USDC base units. */
  pricePerCredit: bigint;
  credits: bigint;
  /** How long it may be relayed, seconds; short, as it also cancels a revoke that is under way. */
  lifetimeSeconds: bigint;
  now?: () => number;
}

export interface DepositOptions extends DepositTerms {
  usdc: Address;
}

/**
 * Signs a deposit (`Escrow.depositAndAllow`, EIP-3009). The account pays, and signs its permits.
 * @throws KhachapuriError `chain_unavailable`
 */
export async function signDeposit(
  chain: Chain,
  account: LocalAccount,
  options: DepositOptions,
): Promise<DepositAuthorization> {
  return await signDepositIn(await usdcDomain(chain, options.usdc), account, options);
}

/** Signs a deposit in a domain of USDC's that is known. The account pays, and signs its permits. */
export async function signDepositIn(
  domain: UsdcDomain,
  account: Pick<LocalAccount, "address" | "signTypedData">,
  options: DepositTerms,
): Promise<DepositAuthorization> {
  const { escrow, provider, amount, pricePerCredit, credits, lifetimeSeconds } = options;
  const nowSeconds = BigInt(Math.floor((options.now ?? Date.now)() / 1000));
  const salt: Hex = toHex(crypto.getRandomValues(new Uint8Array(32)));
  const validBefore = nowSeconds + lifetimeSeconds;
  const times = { validAfter: 0n, validBefore };
  const unsigned = { amount, ...times, pricePerCredit, credits, signer: zeroAddress, salt };
  const nonce = depositAndAllowNonce(account.address, provider, unsigned);
  const authorization = { from: account.address, to: escrow, value: amount, ...times, nonce };
  return { ...unsigned, signature: await signReceiveAuthorization(account, domain, authorization) };
}
