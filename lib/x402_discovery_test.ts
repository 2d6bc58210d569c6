import assert from "node:assert/strict";
import type { Address, Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { EXTENDED_402_BYTES_MAX } from "./limits_of_discovery.ts";
import { PAYMENT_HEADER_BYTES_MAX } from "./limits.ts";
import {
  type CreditsPayment,
  decodePaymentHeader,
  encodePaymentHeader,
  paymentRequired,
  toHeader,
} from "./payment_header.ts";
import { signPermit, UINT128_MAX, UINT64_MAX } from "./permit.ts";
import { describing } from "./x402_discovery.ts";

const REQUIRED = paymentRequired([{ scheme: "credits" }], { url: "/a" }, "nobody pays");
const WORDS = { description: "Says hello.", mimeType: "text/plain", tags: ["hello"] };

Deno.test("a 402 says what its resource is, and passes on its extensions", () => {
  const extensions = { bazaar: { info: {}, schema: {} } };
  assert.deepEqual(describing(REQUIRED, { ...WORDS, extensions }), {
    ...REQUIRED,
    resource: { url: "/a", ...WORDS },
    extensions,
  });
  assert.deepEqual(describing(REQUIRED, WORDS), { ...REQUIRED, resource: { url: "/a", ...WORDS } });
  assert.equal(describing(REQUIRED, undefined), REQUIRED);
  const other = { ...REQUIRED, extensions: { other: 1 } };
  assert.deepEqual(describing(other, { ...WORDS, extensions }).extensions, {
    other: 1,
    ...extensions,
  });
});

Deno.test("extensions that make its header too large are left out, to the byte", () => {
  const sized = (bytes: number) =>
    describing(REQUIRED, { ...WORDS, extensions: { a: "ა".repeat(bytes) } });
  let most = 0;
  while ("extensions" in sized(most + 1)) most++;
  assert.ok(toHeader(sized(most)).length <= EXTENDED_402_BYTES_MAX);
  assert.ok(toHeader(sized(most)).length > EXTENDED_402_BYTES_MAX - 8, "no earlier than it must");
  assert.deepEqual(sized(most + 1).resource, { url: "/a", ...WORDS }, "the words stay");
});

/** A permit with a deposit beside it, each number the largest. */
async function fullPayment(): Promise<CreditsPayment> {
  const payer = privateKeyToAccount(`0x${"11".repeat(32)}`);
  const provider: Address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
  const at = { chainId: 8453, escrow: provider };
  const lane: Hex = `0x${"ab".repeat(32)}`;
  const parties = { payer: payer.address, provider, lane };
  const most = { price: UINT128_MAX, credits: UINT128_MAX, deadline: UINT64_MAX, epoch: 0 };
  return {
    accepted: {
      ...at,
      asset: provider,
      payTo: provider,
      pricePerCredit: UINT128_MAX,
      maxTimeoutSeconds: 15,
      thawingPeriodSeconds: 86_400,
    },
    permit: await signPermit(payer, at, { ...parties, ...most }),
    deposit: {
      amount: UINT128_MAX,
      validAfter: UINT128_MAX,
      validBefore: UINT128_MAX,
      pricePerCredit: UINT128_MAX,
      credits: UINT128_MAX,
      signer: payer.address,
      salt: lane,
      signature: `0x${"cd".repeat(65)}`,
    },
  };
}

Deno.test("a payer's header that sends a 402's words back is read, the largest too", async () => {
  const payment = await fullPayment();
  const plain = JSON.parse(atob(encodePaymentHeader(payment)));
  const accepts = [{ ...plain.accepted, scheme: "exact" }, plain.accepted];
  const required = paymentRequired(accepts, { url: "https://provider.example/bafy" });
  let echoed = plain;
  for (let bytes = 0; bytes < EXTENDED_402_BYTES_MAX; bytes += 64) {
    const words = { ...WORDS, description: "ა".repeat(500) };
    const { resource, ...rest } = describing(required, {
      ...words,
      extensions: { a: "x".repeat(bytes) },
    });
    if ("extensions" in rest) echoed = { ...plain, resource, extensions: rest.extensions };
  }
  const header = toHeader(echoed);
  assert.ok(header.length > EXTENDED_402_BYTES_MAX, `${header.length} bytes`);
  assert.ok(header.length <= PAYMENT_HEADER_BYTES_MAX, `${header.length} bytes`);
  assert.deepEqual(decodePaymentHeader(header), payment);
});
