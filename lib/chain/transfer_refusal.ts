/** Why the token does not take an authorisation: its own words, as x402 says them. */
import type { KhachapuriError } from "../errors.ts";

/** x402's reasons (specs/schemes/exact/scheme_exact_evm.md, and what its SDK says besides). */
export type ExactReason =
  | "invalid_payload"
  | "invalid_exact_evm_signature"
  | "invalid_exact_evm_network_mismatch"
  | "invalid_exact_evm_recipient_mismatch"
  | "invalid_exact_evm_payload_authorization_value_mismatch"
  | "invalid_exact_evm_payload_authorization_valid_after"
  | "invalid_exact_evm_payload_authorization_valid_before"
  | "invalid_exact_evm_nonce_already_used"
  | "invalid_exact_evm_insufficient_balance"
  | "invalid_exact_evm_transaction_simulation_failed"
  | "invalid_exact_evm_transaction_failed"
  | "eip6492_factory_not_allowed"
  | "settlement_pending";

/** By what the revert says (circlefin/stablecoin-evm, FiatTokenV2_2 and what it inherits). */
const WORDS: readonly [RegExp, ExactReason, string][] = [
  [
    /used or canceled/i,
    "invalid_exact_evm_nonce_already_used",
    "the authorization was used or cancelled",
  ],
  [
    /authorization is expired/i,
    "invalid_exact_evm_payload_authorization_valid_before",
    "the authorization has expired",
  ],
  [
    /not yet valid/i,
    "invalid_exact_evm_payload_authorization_valid_after",
    "the authorization is not valid yet",
  ],
  [/invalid signature/i, "invalid_exact_evm_signature", "the payer's wallet did not sign this"],
  [
    /exceeds balance/i,
    "invalid_exact_evm_insufficient_balance",
    "the payer does not hold the amount",
  ],
  [
    /blacklisted/i,
    "invalid_exact_evm_transaction_simulation_failed",
    "the token's issuer has barred the payer, or whom it pays",
  ],
  [/paused/i, "invalid_exact_evm_transaction_simulation_failed", "the token is paused"],
  [
    /^TooMuchGas$/,
    "invalid_exact_evm_transaction_simulation_failed",
    "the payer's wallet takes too much gas to check its signature",
  ],
];

/** What a payer can bring about between two looks, and nobody else. */
const PAYERS_DOING: ReadonlySet<ExactReason> = new Set([
  "invalid_exact_evm_signature",
  "invalid_exact_evm_nonce_already_used",
  "invalid_exact_evm_insufficient_balance",
]);

export function isPayersDoing({ reason }: TransferRefusal): boolean {
  return PAYERS_DOING.has(reason);
}

export interface TransferRefusal {
  reason: ExactReason;
  message: string;
}

/**
 * What a refusal of `transferWithAuthorization` means.
 * @param error `chain_refused`
 */
export function transferRefusal(error: KhachapuriError): TransferRefusal {
  const said = String(error.data.reason ?? "");
  const known = WORDS.find(([words]) => words.test(said));
  if (known) return { reason: known[1], message: known[2] };
  const message = `the token refused the authorization: ${said || error.shortMessage}`;
  return { reason: "invalid_exact_evm_transaction_simulation_failed", message };
}
