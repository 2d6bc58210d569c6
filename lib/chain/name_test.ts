import { ens_normalize } from "@adraffy/ens-normalize";
import fc from "fast-check";
import assert from "node:assert/strict";
import { packetToBytes } from "viem/ens";
import { KhachapuriError } from "../errors.ts";
import { dnsName, parseName } from "./name.ts";

// EIP-137, "namehash algorithm", and ENSIP-1's table.
Deno.test("parseName() gives the namehashes of EIP-137", () => {
  const eth = "0x93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae";
  const foo = "0xde9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f";
  assert.equal(parseName("eth").node, eth);
  assert.equal(parseName("foo.eth").node, foo);
});

// ENSIP-15's own examples and the validation tests of its reference implementation.
Deno.test("parseName() normalises as ENSIP-15 says", () => {
  const cases = [
    ["Nick.ETH", "nick.eth"],
    ["RaFFY🚴‍♂️.eTh", "raffy🚴‍♂.eth"],
    ["_foo", "_foo"],
    ["1⃣.eth", "1⃣.eth"],
    ["Ⅷ.eth", "viii.eth"],
    ["ξ.eth", "ξ.eth"],
  ] as const;
  for (const [text, expected] of cases) {
    assert.equal(parseName(text).text, expected);
  }
});

Deno.test("parseName() refuses what ENSIP-15 disallows, in words", () => {
  const bad = ["", ".", "a..eth", ".eth", "eth.", "a b.eth", "x_y.eth", "ab--c.eth", "а1a.eth"];
  const worse = ["\u200d.eth", "a\u0000.eth", "0x1234‐.eth\u{e0000}", "a".repeat(256)];
  for (const text of [...bad, ...worse]) {
    assert.throws(
      () => parseName(text),
      (error) => error instanceof KhachapuriError && error.code === "invalid_name",
      JSON.stringify(text),
    );
  }
});

Deno.test("parseName() leaves a name of ASCII as the tables would", () => {
  const character = fc.constantFrom(..."abz09--__.XK:%\u212a\u0130");
  fc.assert(
    fc.property(fc.string({ unit: character, minLength: 1, maxLength: 12 }), (text) => {
      assert.equal(attempt(() => parseName(text).text), attempt(() => ens_normalize(text)));
    }),
    { numRuns: 5_000 },
  );
});

function attempt(work: () => string): string | null {
  try {
    return work();
  } catch {
    return null;
  }
}

Deno.test("dnsName() writes names as viem does", () => {
  for (const text of ["eth", "paolo.khachapuri", "a-b.1.eth", "raffy🚴‍♂.eth", "ξ.eth"]) {
    const name = parseName(text);
    assert.deepEqual(dnsName(name), packetToBytes(name.text), text);
  }
});
