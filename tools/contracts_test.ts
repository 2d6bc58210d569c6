import assert from "node:assert/strict";
import {
  hashStruct,
  hashTypedData,
  keccak256,
  recoverAddress,
  stringToBytes,
  toFunctionSelector,
} from "viem";
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

/** What a payer without ETH signs, as the escrow's interface states it. */
const MESSAGE_END = [
  { name: "feeMax", type: "uint256" },
  { name: "nonce", type: "uint256" },
  { name: "deadline", type: "uint64" },
];
const PAYER = { name: "payer", type: "address" };
const PROVIDER = { name: "provider", type: "address" };
const MESSAGE_TYPES: Readonly<Record<string, readonly { name: string; type: string }[]>> = {
  Revoke: [PAYER, PROVIDER, { name: "credits", type: "uint128" }, ...MESSAGE_END],
  BumpEpoch: [PAYER, PROVIDER, ...MESSAGE_END],
  Reclaim: [PAYER, PROVIDER, ...MESSAGE_END],
  Withdraw: [
    PAYER,
    { name: "amount", type: "uint256" },
    { name: "to", type: "address" },
    ...MESSAGE_END,
  ],
};

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

Deno.test("messages of payers without ETH hash and sign as the contract tests say", async () => {
  const account = privateKeyToAccount(hex(vectors.privateKey));
  const names = vectors.messages.map(({ name }) => name);
  assert.deepEqual(names, Object.keys(MESSAGE_TYPES));
  for (const { name, typehash, chainId, escrow, message, digest, signature } of vectors.messages) {
    const fields = MESSAGE_TYPES[name]!;
    const typeText = `${name}(${fields.map((field) => `${field.type} ${field.name}`).join(",")})`;
    assert.equal(keccak256(stringToBytes(typeText)), typehash);
    const data = {
      domain: { name: "Khachapuri Escrow", version: "1", chainId, verifyingContract: hex(escrow) },
      types: { [name]: fields },
      primaryType: name,
      message,
    };
    assert.equal(hashTypedData(data), digest);
    assert.equal(await account.signTypedData(data), signature);
    const signer = await recoverAddress({ hash: hex(digest), signature: hex(signature) });
    assert.equal(signer, message.payer);
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
