/** What who pays by `exact` is told when it comes to nothing. */
import type { Address, Hex } from "viem";
import type { ExactReason } from "../../../chain/transfer_refusal.ts";
import { KhachapuriError } from "../../../errors.ts";
import { exactFailure } from "../../../exact_payment.ts";

/** Refused before anything was run: told with what would be taken. */
export function notTaken(
  reason: ExactReason,
  message: string,
  hints: readonly string[] = ["sign a new payment for what this answer asks for"],
): KhachapuriError {
  return new KhachapuriError("payment_required", message, {
    hints: [...hints, "nothing was charged"],
    data: { x402Reason: reason },
  });
}

/** Each time a payment of the payer's was reverted we have paid its gas, and run for nothing. */
export function revertedBefore(waitMs: number): KhachapuriError {
  const minutes = Math.ceil(waitMs / 60_000);
  return notTaken(
    "invalid_exact_evm_transaction_failed",
    "an earlier payment of this payer was reverted by the token",
    [`try again in ${minutes} min, or pay by credits`],
  );
}

/** So many payments are under way that one more would be settled late. */
export function tooMuchUnderWay(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many payments are being settled", {
    retryAfterSeconds: 3,
    hints: ["nothing was charged; send the same payment again"],
  });
}

/** A payment that was to be settled. */
export interface Unsettled {
  readonly chainId: number;
  readonly payer: Address;
}

/** The money did not come: no answer is given, and nothing was charged. */
export function notSettled(
  unsettled: Unsettled,
  reason: ExactReason,
  message: string,
): KhachapuriError {
  return new KhachapuriError("payment_required", `the payment failed: ${message}`, {
    hints: ["nothing was charged; sign a new payment"],
    data: { x402Reason: reason, settlement: exactFailure(unsettled, reason, message, null) },
  });
}

/** It is not known yet whether the money comes. */
export function pending(unsettled: Unsettled, transaction: Hex | null): KhachapuriError {
  const reason: ExactReason = "settlement_pending";
  const message = "the payment was sent and is not mined yet";
  return new KhachapuriError("payment_required", message, {
    hints: [
      "send the same request with the same payment again: it costs nothing more",
      "do not sign another payment before it is known how this one ends",
    ],
    retryAfterSeconds: 5,
    data: { x402Reason: reason, settlement: exactFailure(unsettled, reason, message, transaction) },
  });
}
