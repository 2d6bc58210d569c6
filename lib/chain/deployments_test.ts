import assert from "node:assert/strict";
import { mainnet, sepolia } from "viem/chains";
import { type Address, getAddress } from "viem";
import { usdc } from "viem/tokens";
import { KhachapuriError } from "../errors.ts";
import shipped from "../../contracts/deployments.json" with { type: "json" };
import { chainText, shippedOn, trustedEscrow } from "./deployments.ts";
import { knownUniversalResolver } from "./ens.ts";

const ESCROW: Address = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
const THIEF: Address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

function hasCode(code: string) {
  return (error: unknown) => error instanceof KhachapuriError && error.code === code;
}

Deno.test("what ships is told by chain id, and names the chain", () => {
  assert.equal(shippedOn(8453)?.usdc.address, "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913");
  assert.equal(chainText(8453), "Base (chain 8453)");
  assert.equal(shippedOn(31337), null);
  assert.equal(chainText(31337), "chain 31337");
});

Deno.test("USDC is where viem's list has it, on every chain that ships", () => {
  const chains = Object.keys(shipped).map(Number);
  assert.deepEqual(chains, [1, 10, 137, 8453, 42161, 84532, 421614, 11155111]);
  for (const chainId of chains) {
    const listed = (usdc.addresses as Record<number, Address>)[chainId]!;
    assert.equal(shippedOn(chainId)!.usdc.address, getAddress(listed), chainText(chainId));
  }
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
