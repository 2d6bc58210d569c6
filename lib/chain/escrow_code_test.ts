import assert from "node:assert/strict";
import { getAddress, type Hex, keccak256 } from "viem";
import { shippedOn } from "./deployments.ts";
import { escrowAddress, escrowCode, escrowTermsOf, termsIn } from "./escrow_code.ts";

const USDC = getAddress(`0x${"dc".repeat(20)}`);
const TERMS = { usdc: USDC, thawingPeriodSeconds: 86_400n };
const AT = { chainId: 31_337, escrow: escrowAddress(TERMS) };

Deno.test("an escrow is known by its code on any chain, with the terms that it has", () => {
  for (const thawingPeriodSeconds of [3_600n, 86_400n, 2_592_000n]) {
    const terms = { usdc: USDC, thawingPeriodSeconds };
    for (const chainId of [31_337, 8453]) {
      const at = { chainId, escrow: escrowAddress(terms) };
      assert.deepEqual(escrowTermsOf(escrowCode(terms, at), at), terms);
    }
  }
});

Deno.test("code of another place, another length or another byte is not an escrow's", () => {
  const code = escrowCode(TERMS, AT);
  assert.equal(escrowTermsOf(code, { ...AT, chainId: 1 }), null);
  assert.equal(escrowTermsOf(code, { ...AT, escrow: USDC }), null);
  assert.equal(escrowTermsOf(`${code}00`, AT), null);
  assert.equal(escrowTermsOf("0x", AT), null);
  assert.equal(termsIn("0x6000"), null);
  for (const at of [2, 1_000, code.length - 1]) {
    const other = code[at] === "f" ? "0" : "f";
    const changed = `${code.slice(0, at)}${other}${code.slice(at + 1)}` as Hex;
    assert.equal(escrowTermsOf(changed, AT), null, `byte at ${at}`);
  }
});

Deno.test("the escrow's code where the factory would not have put it is not an escrow's", () => {
  const at = { ...AT, escrow: USDC };
  const code = escrowCode(TERMS, at);
  assert.deepEqual(termsIn(code), TERMS);
  assert.equal(escrowTermsOf(code, at), null);
});

Deno.test("the token stands in the code several times: one changed place gives it away", () => {
  const code = escrowCode(TERMS, AT);
  const thief = "ab".repeat(20);
  const first = code.replace("dc".repeat(20), thief) as Hex;
  const terms = { ...TERMS, usdc: getAddress(`0x${thief}`) };
  assert.deepEqual(termsIn(first), terms);
  assert.equal(escrowTermsOf(first, { ...AT, escrow: escrowAddress(terms) }), null);
  assert.equal(escrowTermsOf(first, AT), null);
});

Deno.test("an address follows from token and thawing period", () => {
  const addresses = [TERMS, { ...TERMS, usdc: AT.escrow }, {
    ...TERMS,
    thawingPeriodSeconds: 3_600n,
  }]
    .map(escrowAddress);
  assert.equal(new Set(addresses).size, 3);
  const base = shippedOn(8453)!;
  const terms = { usdc: base.usdc.address, thawingPeriodSeconds: 86_400n };
  assert.equal(escrowAddress(terms), base.escrow);
  const code = escrowCode(terms, { chainId: 8453, escrow: base.escrow });
  assert.equal(keccak256(code), base.codeHash);
});
