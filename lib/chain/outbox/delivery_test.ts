import assert from "node:assert/strict";
import { BaseError } from "viem";
import { Delivery, type DeliveryClient } from "./delivery.ts";
import { newFlight } from "./flight.ts";

const TO = "0x00000000000000000000000000000000000000aa";
const fees = (fee: bigint) => ({ maxFeePerGas: fee, maxPriorityFeePerGas: fee });

/** A transaction with forms at these fees, offered to a node that says this to each. */
function setUp(says: readonly (string | null)[], { balance = 10n ** 18n, knows = false } = {}) {
  const offered: string[] = [];
  const client = {
    sendRawTransaction({ serializedTransaction: raw }: { serializedTransaction: string }) {
      offered.push(raw);
      const said = says[offered.length - 1];
      return said
        ? Promise.reject(new BaseError("failed", { details: said }))
        : Promise.resolve(raw);
    },
    getTransaction: () => knows ? Promise.resolve({}) : Promise.reject(new Error("not found")),
    getBalance: () => Promise.resolve(balance),
  } as unknown as DeliveryClient;
  const standing = { rank: "settlement", costMax: null } as const;
  const flight = newFlight(0, { to: TO, data: "0x", gas: 100n }, standing, fees(1n), 0);
  for (const fee of [1n, 10n, 100n]) {
    const [raw, hash] = [`0x${fee}`, `0xff${fee}`] as const;
    flight.forms.push({ raw, hash, gas: 100n, isFiller: false, ...fees(fee) });
  }
  return { delivery: new Delivery({ client, endpoint: "fake", address: TO }), flight, offered };
}

Deno.test("forms are offered cheapest first, up to the one that pays what is asked", async () => {
  const { delivery, flight, offered } = setUp([null, null, null]);
  const price = { head: 1n, baseFee: 0n, tip: 10n };
  assert.equal(await delivery.deliver(flight, price), null);
  assert.deepEqual(offered, ["0x1", "0x10"]);
  assert.equal(flight.heldForm, "0xff10");
});

Deno.test("without a price all are", async () => {
  const { delivery, flight, offered } = setUp([null, null, null]);
  await delivery.deliver(flight, null);
  assert.deepEqual(offered, ["0x1", "0x10", "0x100"]);
});

Deno.test("what is too cheap for a node is followed by a dearer one", async () => {
  const tooCheap = [
    "replacement transaction underpriced",
    "max fee per gas less than block base fee",
    "nonce too low",
  ];
  for (const said of tooCheap) {
    const { delivery, flight, offered } = setUp([said, "already known"]);
    assert.equal(await delivery.deliver(flight, { head: 1n, baseFee: 0n, tip: 10n }), null, said);
    assert.deepEqual(offered, ["0x1", "0x10"]);
  }
});

Deno.test("who cannot pay for the cheapest is not asked for more, however the node words it", async () => {
  const poor = { balance: 99n };
  for (
    const [said, account] of [
      ["insufficient funds for gas * price + value", {}],
      ["Upfront cost exceeds account balance", poor],
      ["not today", poor],
    ] as const
  ) {
    const { delivery, flight, offered } = setUp([said], account);
    assert.notEqual(await delivery.deliver(flight, null), null);
    assert.deepEqual([offered.length, flight.lacksCoin], [1, true], said);
  }
});

Deno.test("a refusal that has to do with neither says nothing of coin, and ends the round", async () => {
  const { delivery, flight, offered } = setUp(["try again later"]);
  assert.notEqual(await delivery.deliver(flight, null), null);
  assert.deepEqual([offered.length, flight.lacksCoin, flight.heldForm], [1, false, null]);
});

Deno.test("a node that took an earlier broadcast has it, and coin that came is seen", async () => {
  const { delivery, flight } = setUp(["nonce too low"], { knows: true });
  flight.lacksCoin = true;
  assert.equal(await delivery.deliverNewest(flight), null);
  assert.deepEqual([flight.heldForm, flight.lacksCoin], ["0xff100", false]);
});
