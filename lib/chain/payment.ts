/** A payer's signed payment: the permit for the next credits on a lane, ready for the header. */
import { type Address, type Hex, isAddressEqual, type LocalAccount, zeroAddress } from "viem";
import { KhachapuriError } from "../errors.ts";
import { RUN_TIMEOUT_MS } from "../limits.ts";
import type { CreditsPayment } from "../payment_header.ts";
import { signingEpoch, signPermit, UINT128_MAX } from "../permit.ts";
import type { Chain } from "./client.ts";
import { type Allowance, readAllowance, readConsumed, thawingPeriod } from "./escrow.ts";

export interface PaymentOptions {
  escrow: Address;
  usdc: Address;
  provider: Address;
  /** Who pays; the account itself, or one whose allowance names the account as its signer. */
  payer: Address;
  lane: Hex;
  /** Highest price of a credit, USDC base units. */
  price: bigint;
  /** What is known to be charged on the lane, where that may be more than is settled. */
  charged?: bigint;
  /** How many more credits the permit shall be good for. */
  credits: bigint;
  /** Unix seconds. */
  deadline: bigint;
}

export interface SignedPayment {
  payment: CreditsPayment;
  /** What the escrow had taken on the lane when it was signed. */
  settled: bigint;
  allowance: Allowance;
}

/**
 * Signs a permit for `credits` credits beyond those that are charged or settled on the lane.
 * @throws KhachapuriError `access_denied` when the escrow would not take this account's signature,
 *   `invalid_input` when a lane can't count so many, `chain_unavailable`
 */
export async function signPayment(
  chain: Chain,
  account: LocalAccount,
  options: PaymentOptions,
): Promise<SignedPayment> {
  const { escrow, provider, payer, lane, price, deadline } = options;
  const [settled, allowance, thawingSeconds] = await Promise.all([
    readConsumed(chain, escrow, payer, provider, lane),
    readAllowance(chain, escrow, payer, provider),
    thawingPeriod(chain, escrow),
  ]);
  assertSigner(account.address, payer, allowance);
  const { charged = 0n } = options;
  const credits = (charged > settled ? charged : settled) + options.credits;
  if (credits > UINT128_MAX) {
    throw new KhachapuriError("invalid_input", "more credits than a lane can count");
  }
  const { chainId } = chain;
  const epoch = signingEpoch(allowance);
  const unsigned = { payer, provider, lane, price, credits, deadline, epoch };
  const permit = await signPermit(account, { chainId, escrow }, unsigned);
  const accepted = {
    chainId,
    escrow,
    asset: options.usdc,
    payTo: provider,
    pricePerCredit: price,
    maxTimeoutSeconds: RUN_TIMEOUT_MS / 1000,
    thawingPeriodSeconds: Number(thawingSeconds),
  };
  return { payment: { accepted, permit }, settled, allowance };
}

/**
 * An allowance pins who signs; before there is one, the payer's own signature will do.
 * @throws KhachapuriError `access_denied` when that is not `account`
 */
export function assertSigner(account: Address, payer: Address, { signer }: Allowance): void {
  const expected = isAddressEqual(signer, zeroAddress) ? payer : signer;
  if (isAddressEqual(account, expected)) return;
  const message = `permits of ${payer} for this provider are signed by ${expected}, not ${account}`;
  throw new KhachapuriError("access_denied", message, {
    hints: ["give that key with --keys FILE"],
  });
}
