import assert from "node:assert/strict";
import { hashStruct, keccak256, stringToBytes, toFunctionSelector } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { escrowAbi } from "../lib/chain/abi.ts";
import { permitDigest, permitFromJson, recoverPermitSigner, signPermit } from "../lib/permit.ts";
import vectors from "../contracts/test/vectors/signatures.json" with { type: "json" };

const DEPOSIT_AND_ALLOW_TYPES = {
  DepositAndAllow: [
    { name: "payer", type: "address" },
    { name: "amount", type: "uint256" },
    { name: "validAfter", type: "uint256" },
    { name: "validBefore", type: "uint256" },
    { name: "provider", type: "address" },
    { name: "pricePerCredit", type: "uint128" },
    { name: "credits", type: "uint128" },
    { name: "signer", type: "address" },
    { name: "salt", type: "bytes32" },
  ],
} as const;

const hex = (text: string) => text as `0x${string}`;

Deno.test("permits hash and sign as the contract tests say", async () => {
  const account = privateKeyToAccount(hex(vectors.privateKey));
  for (const { chainId, escrow, permit, digest } of vectors.permits) {
    const domain = { chainId, escrow: hex(escrow) };
    const { signature, ...terms } = permitFromJson(permit);
    assert.equal(permitDigest(domain, terms), digest);
    assert.deepEqual(await signPermit(account, domain, terms), { ...terms, signature });
    assert.equal(await recoverPermitSigner(domain, { ...terms, signature }), account.address);
  }
});

Deno.test("the nonce of depositAndAllow is the EIP-712 hash of its parameters", () => {
  const { nonce, parameters } = vectors.depositAndAllow;
  const data = {
    payer: hex(parameters.payer),
    amount: BigInt(parameters.amount),
    validAfter: BigInt(parameters.validAfter),
    validBefore: BigInt(parameters.validBefore),
    provider: hex(parameters.provider),
    pricePerCredit: BigInt(parameters.pricePerCredit),
    credits: BigInt(parameters.credits),
    signer: hex(parameters.signer),
    salt: hex(parameters.salt),
  };
  const types = DEPOSIT_AND_ALLOW_TYPES;
  assert.equal(hashStruct({ data, types, primaryType: "DepositAndAllow" }), nonce);
});

Deno.test("every error of the escrow has a selector of its own", () => {
  const errors = escrowAbi.filter((item) => item.type === "error");
  const signatures = errors.map(({ name, inputs }) =>
    `${name}(${inputs.map(({ type }) => type).join(",")})`
  );
  const selectors = signatures.map((signature) => keccak256(stringToBytes(signature)).slice(0, 10));
  assert.equal(new Set(selectors).size, errors.length);
  assert.ok(selectors.includes(toFunctionSelector("PermitExpired()")));
});
