import assert from "node:assert/strict";
import type { Hex } from "viem";
import { gaveWay, storedFlights } from "./flight.ts";
import type { SignedForm } from "./store.ts";

const TO = "0x00000000000000000000000000000000000000aa";

const form = (
  raw: Hex,
  nonce: number,
  data: Hex,
  fee: bigint,
  rank: SignedForm["rank"] = "settlement",
): SignedForm => ({
  raw,
  nonce,
  to: TO,
  data,
  gas: 21_000n,
  maxFeePerGas: fee,
  maxPriorityFeePerGas: fee,
  rank,
  costMax: null,
  signedAt: 50,
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

Deno.test("a relay that gave way is looked for among its forms, whichever is mined", () => {
  const [flight] = storedFlights([
    form("0x01", 7, "0xaa", 5n, "relay"),
    form("0x02", 7, "0x", 6n, "filler"),
  ], 0);
  assert.deepEqual(flight!.forms.map(({ raw }) => raw), ["0x01", "0x02"]);
  assert.deepEqual([flight!.rank, flight!.outgoing.data, flight!.since], ["filler", "0x", 50]);
  assert.deepEqual(flight!.forms.map(({ hash }) => gaveWay(flight!, hash)), [false, true]);
});

Deno.test("a filler of a free nonce gave way to nothing", () => {
  const [flight] = storedFlights([form("0x01", 7, "0x", 5n, "filler")], 0);
  assert.equal(gaveWay(flight!, flight!.forms[0]!.hash), false);
});
