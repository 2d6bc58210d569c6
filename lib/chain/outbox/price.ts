/** Asks a chain what gas costs. */
import type { PublicClient } from "viem";
import type { Price } from "./fees.ts";

export type PriceClient = Pick<PublicClient, "estimateMaxPriorityFeePerGas" | "getFeeHistory">;

/** @throws what viem throws when the chain does not answer */
export async function readPrice(client: PriceClient): Promise<Price> {
  const [{ oldestBlock: head, baseFeePerGas }, tip] = await Promise.all([
    client.getFeeHistory({ blockCount: 1, rewardPercentiles: [] }),
    client.estimateMaxPriorityFeePerGas(),
  ]);
  return { head, baseFee: baseFeePerGas.at(-1) ?? 0n, tip };
}
