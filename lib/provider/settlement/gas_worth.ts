/**
 * What gas is worth in USDC: it is paid in the chain's own coin, and what it brings in comes as
 * USDC. Amounts are USDC base units, gas prices wei.
 */

/** wei in one whole coin. */
const COIN_WEI = 10n ** 18n;

/** Of a chain whose coin's price nobody configured: ether's, rounded up, so as to spend less. */
const COIN_PRICE_DEFAULT = 4_000_000_000n;

/** Chains whose coin costs nothing: anvil's, ganache's, and the test chains that USDC is on. */
const TEST_CHAINS: ReadonlySet<number> = new Set([
  31_337, // anvil, hardhat
  1_337, // ganache, geth --dev
  11_155_111, // Ethereum Sepolia
  560_048, // Ethereum Hoodi
  17_000, // Ethereum Holesky
  84_532, // Base Sepolia
  421_614, // Arbitrum Sepolia
  11_155_420, // OP Sepolia
  80_002, // Polygon Amoy
  43_113, // Avalanche Fuji
  59_141, // Linea Sepolia
  300, // zkSync Sepolia
  1_301, // Unichain Sepolia
  4_801, // World Chain Sepolia
]);

/**
 * What one whole coin of the chain that pays for gas costs.
 * @param configured `provider.gas.coinPrice`
 * @returns 0 where gas costs nothing
 */
export function coinPriceOf(chainId: number, configured?: bigint): bigint {
  return configured ?? (TEST_CHAINS.has(chainId) ? 0n : COIN_PRICE_DEFAULT);
}

/** What `gas` units cost at `gasPrice` each, rounded up. */
export function costOf(gas: bigint, gasPrice: bigint, coinPrice: bigint): bigint {
  return (gas * gasPrice * coinPrice + COIN_WEI - 1n) / COIN_WEI;
}

/** The wei that `amount` buys, rounded down; null where gas costs nothing. */
export function weiOf(amount: bigint, coinPrice: bigint): bigint | null {
  return coinPrice === 0n ? null : amount * COIN_WEI / coinPrice;
}
