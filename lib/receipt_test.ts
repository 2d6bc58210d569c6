import assert from "node:assert/strict";
import { getAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import {
  creditsIn,
  receiptFromJson,
  receiptToJson,
  recoverReceiptSigner,
  signReceipt,
  type UnsignedReceipt,
} from "./receipt.ts";

const OPERATOR = privateKeyToAccount(`0x${"33".repeat(32)}`);
const hash = (byte: string) => `0x${byte.repeat(32)}` as const;
const UNSIGNED: UnsignedReceipt = {
  chainId: 31_337,
  escrow: getAddress(`0x${"ee".repeat(20)}`),
  payer: getAddress(`0x${"11".repeat(20)}`),
  provider: getAddress(`0x${"22".repeat(20)}`),
  operator: OPERATOR.address,
  block: 7n,
  lane: hash("aa"),
  cumulative: 9n,
  deployment: "bafy",
  requestHash: hash("01"),
  responseHash: hash("02"),
  price: 1_000n,
  startedAt: 1_700_000_000_000n,
  durationMs: 40n,
  outcome: "answered",
  credits: 4,
};

const invalid = { code: "invalid_input" };

Deno.test("a receipt is read as it was signed, with the credits that its run took", async () => {
  const receipt = await signReceipt(OPERATOR, UNSIGNED);
  const read = receiptFromJson(JSON.parse(JSON.stringify(receiptToJson(receipt))));
  assert.deepEqual(read, receipt);
  assert.deepEqual([read.version, creditsIn(read)], [2, 4]);
  assert.equal(await recoverReceiptSigner(read), OPERATOR.address);
});

Deno.test("whatever is changed in a receipt was not signed", async () => {
  const receipt = receiptToJson(await signReceipt(OPERATOR, UNSIGNED));
  const { credits: _, ...less } = receipt as typeof receipt & { credits: number };
  const changed = [{ credits: 3 }, { cumulative: "8" }, { outcome: "failed" }, { chainId: 1 }];
  for (const change of changed) {
    const signer = await recoverReceiptSigner(receiptFromJson({ ...receipt, ...change }));
    assert.notEqual(signer, OPERATOR.address, JSON.stringify(change));
  }
  const asFirst = receiptFromJson({ ...less, version: 1 });
  assert.notEqual(await recoverReceiptSigner(asFirst), OPERATOR.address, "another version");
});

Deno.test("a receipt of version 1 is still good, for one credit", async () => {
  const receipt = receiptToJson(await signReceipt(OPERATOR, UNSIGNED));
  const { credits: _, ...fields } = receipt as typeof receipt & { credits: number };
  const { chainId, escrow, credits: __, ...message } = UNSIGNED;
  const names = [
    ["payer", "address"],
    ["provider", "address"],
    ["operator", "address"],
    ["block", "uint64"],
    ["lane", "bytes32"],
    ["cumulative", "uint128"],
    ["deployment", "string"],
    ["requestHash", "bytes32"],
    ["responseHash", "bytes32"],
    ["price", "uint128"],
    ["startedAt", "uint64"],
    ["durationMs", "uint64"],
    ["outcome", "string"],
  ];
  const signature = await OPERATOR.signTypedData({
    domain: { name: "Khachapuri Receipt", version: "1", chainId, verifyingContract: escrow },
    types: { Receipt: names.map(([name, type]) => ({ name: name!, type: type! })) },
    primaryType: "Receipt",
    message,
  });
  const read = receiptFromJson({ ...fields, version: 1, signature });
  assert.equal(creditsIn(read), 1);
  assert.equal(await recoverReceiptSigner(read), OPERATOR.address);
  assert.throws(() => receiptFromJson({ ...fields, version: 1, credits: 2, signature }), invalid);
});

Deno.test("what is no receipt is refused", async () => {
  const receipt = receiptToJson(await signReceipt(OPERATOR, UNSIGNED));
  const { credits: _, ...less } = receipt as typeof receipt & { credits: number };
  const broken = [
    less,
    { ...receipt, version: 3 },
    { ...receipt, credits: 0 },
    { ...receipt, credits: 1.5 },
    { ...receipt, credits: "4" },
    { ...receipt, credits: 2 ** 32 },
    { ...receipt, extra: 1 },
    null,
  ];
  for (const json of broken) assert.throws(() => receiptFromJson(json), invalid);
});
