import assert from "node:assert/strict";
import { mainnet, sepolia } from "viem/chains";
import type { Address } from "viem";
import { KhachapuriError } from "../errors.ts";
import { contractsFor, knownUsdc, trustedEscrow } from "./deployments.ts";
import { knownUniversalResolver } from "./ens.ts";

const ESCROW: Address = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
const THIEF: Address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const USDC: Address = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";
const shipped = { "8453": { escrow: ESCROW, usdc: USDC } };

function hasCode(code: string) {
  return (error: unknown) => error instanceof KhachapuriError && error.code === code;
}

Deno.test("contractsFor() lays flags and config over what ships with us", () => {
  assert.deepEqual(contractsFor(8453, {}, shipped), shipped["8453"]);
  assert.equal(contractsFor(8453, { escrow: THIEF }, shipped).escrow, THIEF);
  assert.equal(contractsFor(8453, { escrow: THIEF }, {}).usdc, knownUsdc(8453));
});

Deno.test("contractsFor() says which contract is unknown and where to name it", () => {
  assert.throws(() => contractsFor(31337, {}, shipped), /no escrow is known on chain 31337/);
  assert.throws(() => contractsFor(31337, { escrow: ESCROW }, shipped), /no USDC is known/);
});

Deno.test("the deployments that ship with us are well-formed", () => {
  assert.throws(() => contractsFor(1234567), hasCode("invalid_config"));
});

Deno.test("a name can't make a client trust an escrow that it did not know", () => {
  const trusted = { chainId: 8453, escrow: ESCROW };
  const named = (address: Address, chainId = 8453) => ({
    name: "p.eth",
    escrow: { chainId, address },
  });
  assert.equal(trustedEscrow({ name: "p.eth", escrow: null }, trusted), ESCROW);
  assert.equal(trustedEscrow(named(ESCROW), trusted), ESCROW);
  assert.throws(() => trustedEscrow(named(THIEF), trusted), hasCode("untrusted_escrow"));
  assert.throws(() => trustedEscrow(named(ESCROW, 1), trusted), hasCode("untrusted_escrow"));
  assert.equal(trustedEscrow(named(THIEF), { ...trusted, escrow: THIEF }), THIEF);
});

Deno.test("our Universal Resolver addresses are those of viem's chain definitions", () => {
  for (const chain of [mainnet, sepolia]) {
    const expected = chain.contracts.ensUniversalResolver.address;
    assert.equal(knownUniversalResolver(chain.id)?.toLowerCase(), expected.toLowerCase());
  }
  assert.equal(knownUniversalResolver(31337), null);
});
