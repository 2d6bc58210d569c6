import assert from "node:assert/strict";
import type { Hex } from "viem";
import { storedFlights } from "./flight.ts";
import type { SignedForm } from "./store.ts";

const TO = "0x00000000000000000000000000000000000000aa";

const form = (raw: Hex, nonce: number, data: Hex, fee: bigint): SignedForm => ({
  raw,
  nonce,
  to: TO,
  data,
  gas: 21_000n,
  maxFeePerGas: fee,
  maxPriorityFeePerGas: fee,
});

Deno.test("the forms of a nonce are one flight with the newest form's fees, lowest nonce first", () => {
  const flights = storedFlights([
    form("0x03", 8, "0xbb", 5n),
    form("0x01", 7, "0xaa", 5n),
    form("0x02", 7, "0xaa", 6n),
  ], 100);
  assert.deepEqual(flights.map(({ nonce }) => nonce), [7, 8]);
  assert.deepEqual(flights[0]!.forms.map(({ raw }) => raw), ["0x01", "0x02"]);
  assert.equal(flights[0]!.fees.maxFeePerGas, 6n);
  assert.equal(flights[0]!.sentAt, 100);
});

Deno.test("of two calls of one nonce the older was never launched, and is not taken up", () => {
  const flights = storedFlights([form("0x01", 7, "0xaa", 5n), form("0x02", 7, "0xbb", 5n)], 0);
  assert.deepEqual(flights.map(({ outgoing }) => outgoing.data), ["0xbb"]);
  assert.deepEqual(flights[0]!.forms.map(({ raw }) => raw), ["0x02"]);
});
