import assert from "node:assert/strict";
import { type Address, getAddress, pad } from "viem";
import type { AcceptedExact, ExactOffer, ExactPayment } from "../../../exact_payment.ts";
import { isOfUndeployedWallet, paymentFault, SETTLE_SECONDS, timeFault } from "./checks.ts";

const at = (hex: Address) => getAddress(pad(hex, { size: 20 }));
const [ANNA, PROVIDER, USDC, OTHER] = [at("0xaa"), at("0xbb"), at("0xcc"), at("0xdd")];
const NOW = 1_000n;
const OFFER: ExactOffer = {
  chainId: 8_453,
  asset: USDC,
  payTo: PROVIDER,
  amount: 10_000n,
  maxTimeoutSeconds: 65,
  name: "USD Coin",
  version: "2",
};

type Changes = Partial<ExactPayment["authorization"]>;
type Accepted = AcceptedExact & { chainId: number };

function payment(changes: Changes = {}, accepted: Partial<Accepted> | null = {}): ExactPayment {
  const { chainId, asset, payTo, amount } = OFFER;
  const own: Accepted = { chainId, asset, payTo, amount, ...accepted };
  return {
    x402Version: accepted === null ? 1 : 2,
    chainId: accepted === null ? chainId : own.chainId,
    authorization: {
      from: ANNA,
      to: PROVIDER,
      value: 10_000n,
      validAfter: 0n,
      validBefore: NOW + 65n,
      nonce: pad("0x1"),
      ...changes,
    },
    signature: "0x51",
    accepted: accepted === null ? null : own,
    identifier: null,
  };
}

const faultOf = (one: ExactPayment) => paymentFault(one, OFFER, NOW)?.reason ?? null;

Deno.test("a payment for the offer has no fault, in either version", () => {
  assert.equal(faultOf(payment()), null);
  assert.equal(faultOf(payment({}, null)), null);
});

Deno.test("each thing that is wrong has its word", () => {
  const network = "invalid_exact_evm_network_mismatch";
  const recipient = "invalid_exact_evm_recipient_mismatch";
  const value = "invalid_exact_evm_payload_authorization_value_mismatch";
  const after = "invalid_exact_evm_payload_authorization_valid_after";
  const before = "invalid_exact_evm_payload_authorization_valid_before";
  const cases: [string | null, Changes, Partial<Accepted> | null][] = [
    [network, {}, { chainId: 1 }],
    [network, {}, { asset: OTHER }],
    [recipient, { to: OTHER }, {}],
    [recipient, { to: OTHER }, null],
    [recipient, {}, { payTo: OTHER }],
    [recipient, { to: OTHER }, { payTo: OTHER }],
    [value, { value: 9_999n }, {}],
    [value, { value: 10_001n }, {}],
    [value, { value: 9_999n }, null],
    [value, { value: 9_999n }, { amount: 9_999n }],
    [value, {}, { amount: 9_999n }],
    [after, { validAfter: NOW }, {}],
    [null, { validAfter: NOW - 1n }, {}],
    [before, { validBefore: NOW + SETTLE_SECONDS - 1n }, {}],
    [null, { validBefore: NOW + SETTLE_SECONDS }, {}],
    [null, { validBefore: (1n << 256n) - 1n }, {}],
  ];
  for (const [reason, changes, accepted] of cases) {
    assert.equal(faultOf(payment(changes, accepted)), reason);
  }
});

Deno.test("a network that nobody knows here is another one", () => {
  const fault = paymentFault({ ...payment({}, null), chainId: null }, OFFER, NOW)!;
  assert.equal(fault.reason, "invalid_exact_evm_network_mismatch");
  assert.match(fault.message, /for no network that is known here/);
});

Deno.test("of several faults the first in x402's order is told", () => {
  const all = payment(
    { to: OTHER, value: 1n, validAfter: NOW, validBefore: 0n },
    { chainId: 1, asset: OTHER },
  );
  assert.match(paymentFault(all, OFFER, NOW)!.message, /eip155:1.*eip155:8453/);
  const { authorization } = payment({ validAfter: NOW, validBefore: NOW });
  assert.match(timeFault(authorization, NOW)!.reason, /valid_after/);
});

Deno.test("what is wrong is told in words that help", () => {
  const said = (one: ExactPayment) => paymentFault(one, OFFER, NOW)!.message;
  assert.match(said(payment({ value: 9_999n })), /0\.009999 USDC, a call costs 0\.01/);
  assert.match(said(payment({ to: OTHER })), new RegExp(`${OTHER}.*${PROVIDER}`));
  assert.match(said(payment({}, { asset: OTHER })), new RegExp(`${OTHER}.*${USDC}`));
  assert.match(said(payment({ validBefore: NOW })), /36 s more/);
});

Deno.test("a signature of a wallet that is not there is known by its end (ERC-6492)", () => {
  const suffix = "6492".repeat(16);
  assert.ok(isOfUndeployedWallet(`0x51${suffix}`));
  assert.ok(!isOfUndeployedWallet(`0x51${suffix}00`));
  assert.ok(!isOfUndeployedWallet(`0x${suffix.slice(1)}`));
});
