import assert from "node:assert/strict";
import { mainnet, sepolia } from "viem/chains";
import { type Address, domainSeparator, getAddress } from "viem";
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

/** What each token's DOMAIN_SEPARATOR() answered on its chain in 2026. */
const SEPARATORS: Readonly<Record<number, string>> = {
  1: "0x06c37168a7db5138defc7866392bb87a741f9b3d104deb5094588ce041cae335",
  10: "0x26d9c34bb1a1c312f69c53b2d93b8be20faafba63af2438c6811713c9b1f933f",
  137: "0xcaa2ce1a5703ccbe253a34eb3166df60a705c561b44b192061e28f2a985be2ca",
  8453: "0x02fa7265e7c5d81118673727957699e4d68f74cd74b7db77da710fe8a2c7834f",
  42161: "0x08d11903f8419e68b1b8721bcbe2e9fc68569122a77ef18c216f10b3b5112c78",
  84532: "0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818",
  421614: "0x85944e1292d007732838d6eadfa67589b78ffcededbd4df60488d0af251308bb",
  11155111: "0xb90e5057db141a932946e64d09ccb7ffc9b00bd79fec26f698d29af0c83320a6",
};

Deno.test("USDC's name and version are those that its chain hashes into its domain", () => {
  for (const chainId of Object.keys(shipped).map(Number)) {
    const { usdc: { address, name, version } } = shippedOn(chainId)!;
    const domain = { name, version, chainId, verifyingContract: address };
    assert.equal(domainSeparator({ domain }), SEPARATORS[chainId], chainText(chainId));
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
