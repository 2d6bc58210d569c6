/** Asks a chain how much gas a call takes. */
import type { Address, PublicClient } from "viem";
import type { Outgoing } from "./store.ts";

export type GasClient = Pick<PublicClient, "estimateGas">;

/**
 * Gas for a call, with a quarter more for state that changes before its block. Estimating runs the
 * call, so it is the simulation too. Fees are left out: a missing gas coin shows when it is sent.
 */
export async function estimateGas(
  client: GasClient,
  from: Address,
  { to, data }: Omit<Outgoing, "gas">,
): Promise<bigint> {
  const gas = await client.estimateGas({ account: from, to, data, prepare: false });
  return gas + gas / 4n;
}
