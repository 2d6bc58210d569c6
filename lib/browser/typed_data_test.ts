import assert from "node:assert/strict";
import {
  domainSeparator as viemSeparator,
  hashTypedData,
  toFunctionSelector,
  zeroAddress,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { escrowAbi, usdcAbi } from "../chain/abi.ts";
import { depositAndAllowNonce } from "../chain/escrow.ts";
import { clientLane as clientsLane } from "../chain/lane.ts";
import { isSignedByPayer, messageFromJson, signMessage } from "../chain/payer_message.ts";
import { recoverReceiveAuthorization } from "../chain/usdc.ts";
import { escrowTypedDomain, permitDigest } from "../permit.ts";
import {
  clientLane,
  depositNonce,
  domainSeparator,
  escrowDomain,
  texts,
  typedData,
} from "./typed_data.ts";
import { callData, type Hex } from "./words.ts";

const ACCOUNT = privateKeyToAccount(`0x${"0a".repeat(32)}`);
const PAYER = ACCOUNT.address;
const PROVIDER: Hex = `0x${"b1".repeat(20)}`;
const ESCROW: Hex = `0x${"e5".repeat(20)}`;
const DOMAIN = escrowDomain(8453, ESCROW);

// deno-lint-ignore no-explicit-any
const digestOf = (data: object) => hashTypedData(data as any);
// deno-lint-ignore no-explicit-any
const sign = (data: object) => ACCOUNT.signTypedData(data as any);

Deno.test("a permit is the one that providers and the escrow know", () => {
  const permit = {
    payer: PAYER,
    provider: PROVIDER,
    lane: clientLane(PAYER, "browser"),
    price: 1_000n,
    credits: 7n,
    deadline: 1_900_000_000n,
    epoch: 3n,
  };
  const ours = digestOf(typedData(DOMAIN, "Permit", permit));
  const domain = { chainId: 8453, escrow: ESCROW };
  assert.equal(ours, permitDigest(domain, { ...permit, epoch: 3 }));
  assert.equal(domainSeparator(DOMAIN), viemSeparator({ domain: escrowTypedDomain(domain) }));
});

Deno.test("a lane is the one that the command line derives", () => {
  for (const label of ["default", "browser", "", "ü".repeat(40)]) {
    assert.equal(clientLane(PAYER, label), clientsLane(PAYER, label), label);
  }
});

Deno.test("each message is what a relayer takes, and signed by its payer", async () => {
  const terms = { feeMax: 10_000n, nonce: 4n, deadline: 1_900_000_000n };
  const matters = [
    { type: "Revoke", provider: PROVIDER, credits: 9n },
    { type: "BumpEpoch", provider: PROVIDER },
    { type: "Reclaim", provider: PROVIDER },
    { type: "Withdraw", amount: 5n, to: PAYER },
  ] as const;
  for (const { type, ...rest } of matters) {
    const message = { payer: PAYER, ...rest, ...terms };
    const signature = await sign(typedData(DOMAIN, type, message));
    const json = { type, chainId: 8453, escrow: ESCROW, ...texts(message), signature };
    assert.ok(await isSignedByPayer(messageFromJson(json)), type);
    const known = await signMessage(
      ACCOUNT,
      { chainId: 8453, escrow: ESCROW },
      {
        type,
        ...message,
      } as Parameters<typeof signMessage>[2],
    );
    assert.equal(known.signature, signature, type);
  }
});

Deno.test("a deposit's signature binds all that the escrow checks", async () => {
  const deposit = {
    amount: 5_000_000n,
    validAfter: 0n,
    validBefore: 1_900_000_000n,
    pricePerCredit: 1_000n,
    credits: 5_000n,
    signer: zeroAddress,
    salt: `0x${"5a".repeat(32)}`,
  } as const;
  const nonce = depositNonce(PAYER, PROVIDER, deposit);
  assert.equal(nonce, depositAndAllowNonce(PAYER, PROVIDER, deposit));
  const domain = { name: "USDC", version: "2", chainId: 8453, verifyingContract: PROVIDER };
  const { amount: value, validAfter, validBefore } = deposit;
  const authorization = { from: PAYER, to: ESCROW, value, validAfter, validBefore, nonce };
  const signature = await sign(typedData(domain, "ReceiveWithAuthorization", authorization));
  assert.equal(await recoverReceiveAuthorization(domain, authorization, signature), PAYER);
});

Deno.test("a wallet is told the type of the domain", () => {
  const { types } = typedData(DOMAIN, "Reclaim", { payer: PAYER });
  assert.deepEqual(types["EIP712Domain"]!.map(({ name }) => name), [
    "name",
    "version",
    "chainId",
    "verifyingContract",
  ]);
});

Deno.test("what the page calls are functions of the escrow and of USDC", () => {
  const selectors = new Set(
    [...escrowAbi, ...usdcAbi].filter(({ type }) => type === "function").map((item) =>
      toFunctionSelector(item as Parameters<typeof toFunctionSelector>[0])
    ),
  );
  const called = [
    "balanceOf(address)",
    "allowance(address,address)",
    "nonces(address)",
    "consumed(address,address,bytes32)",
    "approve(address,uint256)",
    "deposit(uint256)",
    "allow(address,uint128,uint128,address)",
    "revoke(address,uint128)",
    "bumpEpoch(address)",
    "reclaim(address)",
    "withdraw(uint256,address)",
    "name()",
    "version()",
    "DOMAIN_SEPARATOR()",
  ];
  for (const signature of called) assert.ok(selectors.has(callData(signature)), signature);
});
