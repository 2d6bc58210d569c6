import assert from "node:assert/strict";
import { encodeAbiParameters, type Hex, recoverTypedDataAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { signTransfer } from "./payments.ts";
import { type Accept, fromHeader } from "./provider.ts";
import type { Session } from "./session.ts";
import { domainSeparator } from "./typed_data.ts";
import { Trouble } from "./trouble.ts";
import { Wallet } from "./wallet.ts";
import { callData } from "./words.ts";

const ACCOUNT = privateKeyToAccount(`0x${"0a".repeat(32)}`);
const USDC: Hex = `0x${"dc".repeat(20)}`;
const DOMAIN = { name: "USD Coin", version: "2", chainId: 8453, verifyingContract: USDC };
const EXACT: Accept = {
  scheme: "exact",
  network: "eip155:8453",
  amount: "10000",
  asset: USDC,
  payTo: `0x${"b1".repeat(20)}`,
  maxTimeoutSeconds: 60,
  extra: { name: "USD Coin", version: "2" },
};
const URL_CALLED = "https://provider.test/bafy/x?y";

const text = (value: string) => encodeAbiParameters([{ type: "string" }], [value]);

/** A wallet on a chain with USDC. */
function walletOf(separator: Hex = domainSeparator(DOMAIN)): Wallet {
  const answers: Record<string, Hex> = {
    [callData("name()")]: text(DOMAIN.name),
    [callData("version()")]: text(DOMAIN.version),
    [callData("DOMAIN_SEPARATOR()")]: separator,
  };
  return new Wallet({
    async request({ method, params = [] }) {
      if (method === "eth_call") return answers[(params[0] as { data: string }).data];
      assert.equal(method, "eth_signTypedData_v4");
      return await ACCOUNT.signTypedData(JSON.parse(params[1] as string));
    },
  }, ACCOUNT.address);
}

/** As far as a transfer needs it. */
const sessionOf = (wallet: Wallet, held = 10_000n) =>
  ({
    wallet,
    terms: { asset: USDC, chainId: 8453 },
    funds: { wallet: held, now: 1_800_000_000n },
  }) as unknown as Session;

Deno.test("a transfer is what stock x402 clients send, and signed by the payer", async () => {
  const header = await signTransfer(sessionOf(walletOf()), EXACT, URL_CALLED);
  // deno-lint-ignore no-explicit-any
  const sent = fromHeader<any>(header);
  const { signature, authorization } = sent.payload;
  assert.deepEqual({ ...sent, payload: {} }, {
    x402Version: 2,
    resource: { url: URL_CALLED },
    accepted: EXACT,
    payload: {},
  });
  const { nonce, ...rest } = authorization;
  assert.match(nonce, /^0x[0-9a-f]{64}$/);
  assert.deepEqual(rest, {
    from: ACCOUNT.address,
    to: EXACT.payTo,
    value: "10000",
    validAfter: "0",
    validBefore: "1800000600",
  });
  const field = (name: string, type: string) => ({ name, type });
  const signer = await recoverTypedDataAddress({
    domain: DOMAIN,
    types: {
      TransferWithAuthorization: [
        field("from", "address"),
        field("to", "address"),
        field("value", "uint256"),
        field("validAfter", "uint256"),
        field("validBefore", "uint256"),
        field("nonce", "bytes32"),
      ],
    },
    primaryType: "TransferWithAuthorization",
    message: authorization,
    signature,
  });
  assert.equal(signer, ACCOUNT.address);
});

Deno.test("nothing is signed for a token that is not the escrow's, or that lies", async () => {
  const session = sessionOf(walletOf());
  const others: Partial<Accept>[] = [
    { asset: `0x${"ad".repeat(20)}` },
    { extra: { name: "USDC", version: "2" } },
    { extra: {} },
  ];
  for (const other of others) {
    const signed = signTransfer(session, { ...EXACT, ...other }, URL_CALLED);
    await assert.rejects(signed, Trouble, JSON.stringify(other));
  }
  const lying = sessionOf(walletOf(`0x${"00".repeat(32)}`));
  await assert.rejects(signTransfer(lying, EXACT, URL_CALLED), /signs by another domain/);
  const poor = sessionOf(walletOf(), 9_999n);
  await assert.rejects(signTransfer(poor, EXACT, URL_CALLED), /less USDC than this call costs/);
});
