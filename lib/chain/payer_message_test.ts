import assert from "node:assert/strict";
import type { Address, Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import vectors from "../../contracts/test/vectors/signatures.json" with { type: "json" };
import {
  assertForEscrow,
  isSignedByPayer,
  messageCall,
  messageFromJson,
  messageToJson,
  type SignedMessage,
  signMessage,
} from "./payer_message.ts";

const ACCOUNT = privateKeyToAccount(vectors.privateKey as Hex);
const OTHER: Address = "0x90F79bf6EB2c4f870365E785982E1f101E93b906";

/** The contract tests' messages in our JSON form. */
const MESSAGES = vectors.messages.map(({ name, chainId, escrow, message, signature }) => ({
  type: name,
  chainId,
  escrow,
  ...message,
  signature,
}));

const parsed = () => MESSAGES.map((json) => messageFromJson(json));

Deno.test("messages sign as the contract tests say, and have a JSON form of their own", async () => {
  assert.deepEqual(MESSAGES.map(({ type }) => type), [
    "Revoke",
    "BumpEpoch",
    "Reclaim",
    "Withdraw",
  ]);
  for (const json of MESSAGES) {
    const signed = messageFromJson(json);
    const { signature: _, chainId, escrow, ...message } = signed;
    assert.deepEqual(await signMessage(ACCOUNT, { chainId, escrow }, message), signed);
    assert.ok(await isSignedByPayer(signed));
    assert.deepEqual(messageToJson(signed), json);
    assert.deepEqual(JSON.parse(JSON.stringify(messageToJson(signed))), json);
  }
});

Deno.test("whatever is changed of a message, it is not the payer's any more", async () => {
  for (const signed of parsed()) {
    for (const [field, value] of Object.entries(signed)) {
      if (field === "type" || field === "signature") continue;
      const changed = typeof value === "string"
        ? OTHER
        : typeof value === "bigint"
        ? value - 1n
        : value + 1;
      const forged = { ...signed, [field]: changed } as SignedMessage;
      assert.equal(await isSignedByPayer(forged), false, `${signed.type}: ${field}`);
    }
  }
  const [, bump, reclaim] = parsed() as [SignedMessage, SignedMessage, SignedMessage];
  const { signature } = bump;
  assert.equal(await isSignedByPayer({ ...reclaim, signature }), false, "one type for another");
});

Deno.test("bytes that the escrow takes for no signature are none", async () => {
  const [signed] = parsed() as [SignedMessage];
  const twin = signed.signature.replace(/..$/, (v) => v === "1b" ? "00" : "01") as Hex;
  for (const signature of [twin, `0x${"00".repeat(65)}`, `0x${"00".repeat(64)}1b`] as Hex[]) {
    assert.equal(await isSignedByPayer({ ...signed, signature }), false);
  }
});

Deno.test("the JSON form is strict", () => {
  const [revoke, , reclaim, withdraw] = MESSAGES;
  const cases: [unknown, RegExp][] = [
    [{}, /type is missing/],
    [{ ...revoke, type: "Steal" }, /type/],
    [{ ...revoke, more: 1 }, /unknown field more/],
    [{ ...reclaim, credits: "1" }, /unknown field credits/],
    [{ ...revoke, credits: 5 }, /credits/],
    [{ ...revoke, credits: String(1n << 128n) }, /credits: does not fit 128 bits/],
    [{ ...revoke, deadline: String(1n << 64n) }, /deadline: does not fit 64 bits/],
    [{ ...revoke, feeMax: "-1" }, /feeMax: not a decimal integer/],
    [{ ...revoke, chainId: "8453" }, /chainId/],
    [{ ...withdraw, to: "me" }, /to: not an Ethereum address/],
    [{ ...withdraw, signature: "0x00" }, /signature: not 65 bytes/],
    [null, /message/],
  ];
  for (const [json, message] of cases) {
    assert.throws(() => messageFromJson(json), { code: "invalid_input", message });
  }
});

Deno.test("a message is for one escrow on one chain", () => {
  const domain = { chainId: 8453, escrow: OTHER };
  assertForEscrow(domain, { ...domain });
  const isRefused = (other: Partial<typeof domain>, message: RegExp) =>
    assert.throws(() => assertForEscrow({ ...domain, ...other }, domain), {
      code: "invalid_input",
      message,
    });
  isRefused({ chainId: 1 }, /for chain 1, not 8453/);
  isRefused({ escrow: ACCOUNT.address }, /for escrow 0x2c75/);
});

Deno.test("each message is carried out by its own function, in the contract's order", () => {
  const calls = parsed().map((signed) => messageCall(signed, 5n, OTHER));
  const by = parsed().map(({ feeMax, nonce, deadline, signature }) => {
    return { feeMax, nonce, deadline, signature };
  });
  const { payer, provider, credits } = MESSAGES[0] as typeof MESSAGES[0] & Record<string, string>;
  const { amount, to } = MESSAGES[3] as typeof MESSAGES[3] & Record<string, string>;
  assert.deepEqual(calls.map(({ functionName, args }) => [functionName, ...args]), [
    ["revokeFor", payer, provider, BigInt(credits!), by[0], 5n, OTHER],
    ["bumpEpochFor", payer, provider, by[1], 5n, OTHER],
    ["reclaimFor", payer, provider, by[2], 5n, OTHER],
    ["withdrawFor", payer, BigInt(amount!), to, by[3], 5n, OTHER],
  ]);
  assert.ok(calls.every(({ address }) => address === MESSAGES[0]!.escrow));
});
