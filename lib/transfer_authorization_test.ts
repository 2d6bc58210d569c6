import assert from "node:assert/strict";
import { type Hex, pad } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { recoverTransferSigner, TRANSFER_TYPES } from "./transfer_authorization.ts";

const ACCOUNT = privateKeyToAccount(pad("0x1"));
const DOMAIN = {
  name: "USD Coin",
  version: "2",
  chainId: 8_453,
  verifyingContract: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
} as const;
const AUTHORIZATION = {
  from: ACCOUNT.address,
  to: "0x209693Bc6afc0C5328bA36FaF03C514EF312287C",
  value: 1_000n,
  validAfter: 0n,
  validBefore: 2_000n,
  nonce: pad("0x2"),
} as const;
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const sign = () =>
  ACCOUNT.signTypedData({
    domain: DOMAIN,
    types: TRANSFER_TYPES,
    primaryType: "TransferWithAuthorization",
    message: { ...AUTHORIZATION },
  });

Deno.test("a payment's signature tells whose key it is, by every member and the domain", async () => {
  const signature = await sign();
  assert.equal(await recoverTransferSigner(DOMAIN, AUTHORIZATION, signature), ACCOUNT.address);
  const others = [
    { to: ACCOUNT.address },
    { value: 1_001n },
    { validAfter: 1n },
    { validBefore: 2_001n },
    { nonce: pad("0x3") },
  ];
  for (const change of others) {
    const signer = await recoverTransferSigner(DOMAIN, { ...AUTHORIZATION, ...change }, signature);
    assert.notEqual(signer, ACCOUNT.address);
  }
  for (const change of [{ name: "USDC" }, { version: "1" }, { chainId: 1 }]) {
    const domain = { ...DOMAIN, ...change };
    assert.notEqual(
      await recoverTransferSigner(domain, AUTHORIZATION, signature),
      ACCOUNT.address,
    );
  }
});

Deno.test("what the token does not take for a signature is none", async () => {
  const signature = await sign();
  const [r, s] = [signature.slice(2, 66), signature.slice(66, 130)];
  const high = (ORDER - BigInt(`0x${s}`)).toString(16).padStart(64, "0");
  const turned = signature.endsWith("1b") ? "1c" : "1b";
  const none: Hex[] = [
    "0x",
    "0x51",
    signature.slice(0, -2) as Hex,
    `${signature}00`,
    `0x${r}${high}${turned}`,
    `0x${r}${s}1d`,
    `0x${"00".repeat(64)}1b`,
  ];
  for (const one of none) {
    assert.equal(await recoverTransferSigner(DOMAIN, AUTHORIZATION, one), null, one);
  }
});
