/** Chains by the names that people give them, with endpoints that anybody may use. */

export interface NamedChain {
  readonly chainId: number;
  /** Of two parties each, and rate-limited: to begin with. */
  readonly rpc: readonly string[];
}

/** Those whose escrow ships with us (contracts/deployments.json). */
export const CHAINS: Readonly<Record<string, NamedChain>> = {
  "base": {
    chainId: 8453,
    rpc: ["https://mainnet.base.org", "https://base-rpc.publicnode.com"],
  },
  "base-sepolia": {
    chainId: 84532,
    rpc: ["https://sepolia.base.org", "https://base-sepolia-rpc.publicnode.com"],
  },
  "optimism": {
    chainId: 10,
    rpc: ["https://mainnet.optimism.io", "https://optimism-rpc.publicnode.com"],
  },
  "polygon": {
    chainId: 137,
    rpc: ["https://polygon-rpc.com", "https://polygon-bor-rpc.publicnode.com"],
  },
  "arbitrum": {
    chainId: 42161,
    rpc: ["https://arb1.arbitrum.io/rpc", "https://arbitrum-one-rpc.publicnode.com"],
  },
  "arbitrum-sepolia": {
    chainId: 421614,
    rpc: [
      "https://sepolia-rollup.arbitrum.io/rpc",
      "https://arbitrum-sepolia-rpc.publicnode.com",
    ],
  },
  "ethereum": {
    chainId: 1,
    rpc: ["https://eth.drpc.org", "https://ethereum-rpc.publicnode.com"],
  },
};

/** The chain's name, where these are the endpoints that it stands for. */
export function chainNameOf(rpc: readonly string[]): string | null {
  const same = ([, chain]: [string, NamedChain]) => chain.rpc.join() === rpc.join();
  return Object.entries(CHAINS).find(same)?.[0] ?? null;
}
