/** Why a request under a key is not answered. */
import { KhachapuriError } from "../../errors.ts";
import { IDEMPOTENCY_HEADER, type RequestKey } from "./idempotency.ts";

export function mismatch({ isPayment }: RequestKey): KhachapuriError {
  if (isPayment) return otherRequest();
  return new KhachapuriError("idempotency_mismatch", "this key was used for another request", {
    hints: ["the same key goes with the same method, path, content type and body"],
  });
}

/** A payment is for the request that it came with first. */
function otherRequest(): KhachapuriError {
  return new KhachapuriError("payment_required", "this payment was used for another request", {
    hints: ["sign a new payment for this one; nothing was charged for it"],
    data: { x402Reason: "invalid_exact_evm_nonce_already_used" },
  });
}

export function stillRunning(): KhachapuriError {
  return new KhachapuriError("idempotency_conflict", "the first request with this key still runs", {
    retryAfterSeconds: 1,
    hints: ["nothing was charged for this one; ask again for its answer"],
  });
}

/** Kept for its window each: the oldest leave first. */
export function tooManyKeys({ isPayment }: RequestKey, roomInMs: number): KhachapuriError {
  return new KhachapuriError("rate_limited", "too many answers are kept for this payer", {
    retryAfterSeconds: Math.max(1, Math.ceil(roomInMs / 1_000)),
    hints: [
      isPayment
        ? "nothing was charged for this one"
        : `nothing was charged for this one; without ${IDEMPOTENCY_HEADER} it runs at once`,
    ],
  });
}

export function notKept(why: string): KhachapuriError {
  return new KhachapuriError(
    "idempotency_conflict",
    `the first request with this key was answered and charged, but its answer was not kept: ${why}`,
    { hints: ["nothing was charged for this one; use a new key to run it again"] },
  );
}
