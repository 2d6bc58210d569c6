import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeFunctionData, getAddress, type Hex } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import { encodeCharges } from "./charge_data.ts";

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((some): Hex =>
    `0x${[...some].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`
  );
const uint = (bits: number) => fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n });
const address = hex(20).map((text) => getAddress(text));

const charge = fc.record({
  permit: fc.record({
    payer: address,
    provider: address,
    lane: hex(32),
    price: uint(128),
    credits: uint(128),
    deadline: uint(64),
    epoch: fc.nat({ max: 2 ** 32 - 1 }),
    signature: fc.oneof(hex(65), hex(0), hex(64), hex(31)),
  }),
  credits: uint(128),
  price: uint(128),
});

Deno.test("a batch is encoded as every other encoder does it", () => {
  fc.assert(
    fc.property(fc.array(charge, { maxLength: 5 }), (charges) => {
      const expected = encodeFunctionData({
        abi: escrowAbi,
        functionName: "consume",
        args: [charges],
      });
      assert.equal(encodeCharges(charges), expected);
    }),
  );
});
