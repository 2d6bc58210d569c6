import assert from "node:assert/strict";
import { KhachapuriError } from "../errors.ts";
import { transferRefusal } from "./transfer_refusal.ts";

const refusalOf = (reason?: string) =>
  transferRefusal(
    new KhachapuriError("chain_refused", "the contract refused: it", {
      data: reason === undefined ? {} : { reason },
    }),
  );

Deno.test("the token's words become x402's", () => {
  // As FiatTokenV2_2 and what it inherits say them.
  const words = {
    "FiatTokenV2: authorization is used or canceled": "invalid_exact_evm_nonce_already_used",
    "FiatTokenV2: authorization is expired": "invalid_exact_evm_payload_authorization_valid_before",
    "FiatTokenV2: authorization is not yet valid":
      "invalid_exact_evm_payload_authorization_valid_after",
    "FiatTokenV2: invalid signature": "invalid_exact_evm_signature",
    "ERC20: transfer amount exceeds balance": "invalid_exact_evm_insufficient_balance",
    "Blacklistable: account is blacklisted": "invalid_exact_evm_transaction_simulation_failed",
    "Pausable: paused": "invalid_exact_evm_transaction_simulation_failed",
    "TooMuchGas": "invalid_exact_evm_transaction_simulation_failed",
  };
  const told = new Set<string>();
  for (const [said, reason] of Object.entries(words)) {
    const refusal = refusalOf(said);
    assert.equal(refusal.reason, reason, said);
    told.add(refusal.message);
  }
  assert.equal(told.size, Object.keys(words).length, "two refusals are told alike");
});

Deno.test("what it says otherwise is passed on, and what it does not say too", () => {
  const failed = "invalid_exact_evm_transaction_simulation_failed";
  const own = "the token refused the authorization: ";
  assert.deepEqual(refusalOf("no Sundays"), { reason: failed, message: `${own}no Sundays` });
  const silent = { reason: failed, message: `${own}the contract refused: it` };
  assert.deepEqual(refusalOf(""), silent);
  assert.deepEqual(refusalOf(), silent);
  assert.equal(refusalOf("NotTooMuchGas").message, `${own}NotTooMuchGas`);
});
