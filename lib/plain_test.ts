import assert from "node:assert/strict";
import fc from "fast-check";
import { fromPlain, toPlain } from "./plain.ts";

const through = (value: unknown) => fromPlain(JSON.parse(JSON.stringify(toPlain(value))));

Deno.test("a value comes as it was sent, through JSON", () => {
  const value = {
    amount: 2n ** 128n - 1n,
    debt: -3n,
    digest: Uint8Array.of(0, 255, 7),
    lanes: new Map<string, bigint | null>([["0x01", 5n], ["0x02", null]]),
    at: new Date(1_700_000_000_000),
    until: undefined,
    list: [1, "two", null, [3n]],
  };
  assert.deepEqual(through(value), value);
});

Deno.test("any JSON stays what it is", () => {
  const named = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('"$"'));
  fc.assert(fc.property(named, (value) => {
    const json = JSON.stringify(value);
    assert.equal(JSON.stringify(through(value)), json);
  }));
});

Deno.test("what cannot be carried, or was not made here, is refused", () => {
  assert.throws(() => toPlain({ call() {} }), TypeError);
  assert.throws(() => toPlain({ $: 1 }), TypeError);
  assert.throws(() => fromPlain({ $: "code", value: "1+1" }), TypeError);
});
