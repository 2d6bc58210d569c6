import assert from "node:assert/strict";
import {
  type Address,
  decodeFunctionData,
  encodeAbiParameters,
  encodeEventTopics,
  encodeFunctionData,
  getAddress,
  type Hex,
  pad,
} from "viem";
import { usdcAbi } from "./abi.ts";
import { takenIn, transferCall } from "./transfer_call.ts";

const at = (hex: Address) => getAddress(pad(hex, { size: 20 }));
const [USDC, FAKE, ANNA, BERT, PROVIDER] = [
  at("0xc0"),
  at("0xfa"),
  at("0xa1"),
  at("0xb1"),
  at("0x9"),
];
const [NONCE, OTHER_NONCE, TX, OTHER_TX, HASH] = ["0x1", "0x2", "0x7a", "0x7b", "0xb1"].map((hex) =>
  pad(hex as Hex)
) as [Hex, Hex, Hex, Hex, Hex];

interface Place {
  address: Address;
  transactionHash: Hex | null;
  blockNumber: bigint | null;
  blockHash: Hex | null;
}

const HERE: Place = { address: USDC, transactionHash: TX, blockNumber: 5n, blockHash: HASH };

function used(authorizer: Address, nonce: Hex, place: Partial<Place> = {}) {
  const args = { authorizer, nonce };
  const topics = encodeEventTopics({ abi: usdcAbi, eventName: "AuthorizationUsed", args });
  return { ...HERE, topics, data: "0x", logIndex: 0, ...place } as never;
}

function moved(from: Address, to: Address, value: bigint, place: Partial<Place> = {}) {
  const topics = encodeEventTopics({ abi: usdcAbi, eventName: "Transfer", args: { from, to } });
  const data = encodeAbiParameters([{ type: "uint256" }], [value]);
  return { ...HERE, topics, data, logIndex: 0, ...place } as never;
}

Deno.test("an authorisation that was taken is told with what it moved", () => {
  const logs = [
    used(ANNA, NONCE),
    moved(ANNA, PROVIDER, 7n),
    used(BERT, NONCE),
    moved(BERT, PROVIDER, 8n),
  ];
  const where = { transaction: TX, block: { number: 5n, hash: HASH } };
  assert.deepEqual(takenIn(USDC, logs), [
    { from: ANNA, to: PROVIDER, value: 7n, nonce: NONCE, ...where },
    { from: BERT, to: PROVIDER, value: 8n, nonce: NONCE, ...where },
  ]);
  const lower = USDC.toLowerCase() as Address;
  assert.equal(takenIn(lower, logs).length, 2);
});

Deno.test("logs that only look like one are none", () => {
  const hostile: Record<string, unknown[]> = {
    "another token says both": [
      used(ANNA, NONCE, { address: FAKE }),
      moved(ANNA, PROVIDER, 7n, { address: FAKE }),
    ],
    "another token moves it": [used(ANNA, NONCE), moved(ANNA, PROVIDER, 7n, { address: FAKE })],
    "another token took it": [used(ANNA, NONCE, { address: FAKE }), moved(ANNA, PROVIDER, 7n)],
    "a transfer alone": [moved(ANNA, PROVIDER, 7n)],
    "a transfer before it": [moved(ANNA, PROVIDER, 7n), used(ANNA, NONCE)],
    "somebody else's transfer": [used(ANNA, NONCE), moved(BERT, PROVIDER, 7n)],
    "two in a row": [used(ANNA, NONCE), used(ANNA, OTHER_NONCE)],
    "another transaction's transfer": [
      used(ANNA, NONCE),
      moved(ANNA, PROVIDER, 7n, { transactionHash: OTHER_TX }),
    ],
    "not mined": [
      used(ANNA, NONCE, { transactionHash: null }),
      moved(ANNA, PROVIDER, 7n, { transactionHash: null }),
    ],
    "in no block": [used(ANNA, NONCE, { blockNumber: null }), moved(ANNA, PROVIDER, 7n)],
    "in a block without a hash": [
      used(ANNA, NONCE, { blockHash: null }),
      moved(ANNA, PROVIDER, 7n),
    ],
  };
  for (const [what, logs] of Object.entries(hostile)) {
    assert.deepEqual(takenIn(USDC, logs as never[]), [], what);
  }
  const mixed = [
    used(BERT, NONCE, { address: FAKE }),
    used(ANNA, NONCE),
    moved(BERT, PROVIDER, 1n, { address: FAKE }),
    moved(ANNA, PROVIDER, 7n),
  ];
  assert.deepEqual(takenIn(USDC, mixed).map(({ from, value }) => [from, value]), [[ANNA, 7n]]);
});

Deno.test("the call names all that was signed", () => {
  const authorization = {
    from: ANNA,
    to: PROVIDER,
    value: 7n,
    validAfter: 1n,
    validBefore: 2n,
    nonce: NONCE,
  };
  const { address, functionName, args } = transferCall(USDC, authorization, "0x51");
  assert.equal(address, USDC);
  const data = encodeFunctionData({ abi: usdcAbi, functionName, args } as never);
  assert.deepEqual(decodeFunctionData({ abi: usdcAbi, data }), {
    functionName: "transferWithAuthorization",
    args: [ANNA, PROVIDER, 7n, 1n, 2n, NONCE, "0x51"],
  });
});
