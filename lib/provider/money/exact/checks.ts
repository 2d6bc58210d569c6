/**
 * What can be told of an `exact` payment without asking anybody, in the order in which it is said:
 * what it answers, what it moves and to whom, and whether its time leaves us enough to settle it.
 */
import { isAddressEqual } from "viem";
import { formatCaip2 } from "../../../caip.ts";
import type { ExactReason } from "../../../chain/transfer_refusal.ts";
import { formatUsdc } from "../../../chain/usdc.ts";
import type { ExactOffer, ExactPayment } from "../../../exact_payment.ts";
import type { TransferAuthorization } from "../../../transfer_authorization.ts";

export interface Fault {
  reason: ExactReason;
  message: string;
}

/** So long must an authorisation still be good when a call is taken: a block, a retry, seconds. */
export const SETTLE_SECONDS = 36n;

/**
 * @param nowSeconds the later of our clock and the chain's, Unix seconds
 * @returns null when nothing is wrong
 */
export function paymentFault(
  { chainId, accepted, authorization }: ExactPayment,
  offer: ExactOffer,
  nowSeconds: bigint,
): Fault | null {
  const { to, value } = authorization;
  if (chainId !== offer.chainId) {
    const theirs = chainId === null ? "no network that is known here" : formatCaip2(chainId);
    return {
      reason: "invalid_exact_evm_network_mismatch",
      message: `the payment is for ${theirs}, this provider is paid on ${
        formatCaip2(offer.chainId)
      }`,
    };
  }
  if (accepted && !isAddressEqual(accepted.asset, offer.asset)) {
    return {
      reason: "invalid_exact_evm_network_mismatch",
      message: `the payment is in ${accepted.asset}, this provider takes USDC at ${offer.asset}`,
    };
  }
  if (!isAddressEqual(to, offer.payTo) || (accepted && !isAddressEqual(accepted.payTo, to))) {
    return {
      reason: "invalid_exact_evm_recipient_mismatch",
      message: `the payment goes to ${to}, not to this provider, ${offer.payTo}`,
    };
  }
  if (value !== offer.amount || (accepted && accepted.amount !== value)) {
    return {
      reason: "invalid_exact_evm_payload_authorization_value_mismatch",
      message: `the payment is ${formatUsdc(value)} USDC, a call costs ${
        formatUsdc(offer.amount)
      }: neither less nor more is taken`,
    };
  }
  return timeFault(authorization, nowSeconds);
}

/** Whether it can be settled in time, once more when its run is about to start. */
export function timeFault(
  { validAfter, validBefore }: Pick<TransferAuthorization, "validAfter" | "validBefore">,
  nowSeconds: bigint,
): Fault | null {
  if (validAfter >= nowSeconds) {
    return {
      reason: "invalid_exact_evm_payload_authorization_valid_after",
      message: "the payment is not valid yet",
    };
  }
  if (validBefore < nowSeconds + SETTLE_SECONDS) {
    return {
      reason: "invalid_exact_evm_payload_authorization_valid_before",
      message: `the payment has to be valid for ${SETTLE_SECONDS} s more when it arrives`,
    };
  }
  return null;
}

/** ERC-6492: a signature of a wallet that is not there yet, with what would make it. */
const ERC6492_SUFFIX = "6492".repeat(16);

export function isOfUndeployedWallet(signature: string): boolean {
  return signature.endsWith(ERC6492_SUFFIX);
}
