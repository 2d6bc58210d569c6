import assert from "node:assert/strict";
import { formatCaip10, formatCaip2, parseCaip10, parseCaip2 } from "./caip.ts";

// CAIP-10's own eip155 examples (namespaces repository, eip155/caip10.md).
const MAINNET = "eip155:1:0x22227A31E81f0A3ad0b75C8b0c9F8D4D22F2b9E3";

Deno.test("parseCaip10() reads chain and address and formatCaip10() writes them back", () => {
  const location = parseCaip10(MAINNET);
  assert.equal(location?.chainId, 1);
  assert.equal(formatCaip10(location!).toLowerCase(), MAINNET.toLowerCase());
});

Deno.test("parseCaip10() answers null to what is no eip155 account", () => {
  const others = ["", ":", "eip155:1", "eip155:1:0x12", "cosmos:1:" + MAINNET.slice(9), "eip155"];
  for (const text of [...others, "eip155:01:" + MAINNET.slice(9), MAINNET + ":1"]) {
    assert.equal(parseCaip10(text), null, text);
  }
});

Deno.test("parseCaip2() takes whole positive chain ids only", () => {
  assert.equal(parseCaip2(formatCaip2(84532)), 84532);
  for (
    const text of ["eip155:", "eip155:0", "eip155:-1", "eip155:1.5", "eip155:99999999999999999"]
  ) {
    assert.equal(parseCaip2(text), null, text);
  }
});
