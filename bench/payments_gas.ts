/** Gas per paid request: batches of cumulative permits beside one EIP-3009 transfer a request. */
import type { Address, Hex, LocalAccount } from "viem";
import { consumeBatch } from "../lib/chain/escrow_provider.ts";
import { transferCall } from "../lib/chain/transfer_call.ts";
import { usdcDomain } from "../lib/chain/usdc.ts";
import { type Permit, signPermit, UINT128_MAX, UINT64_MAX } from "../lib/permit.ts";
import { TRANSFER_TYPES } from "../lib/transfer_authorization.ts";
import { anvilAccount } from "../worlds/chain/anvil.ts";
import { type EscrowChain, fund, PRICE } from "../worlds/chain/escrow_chain.ts";

export const LANES = 50;

export interface GasFigures {
  /** Of one lane in a batch of 50 warm ones, by requests on each lane. */
  lane: Map<number, number>;
  /** Of one EIP-3009 transfer, which x402 `exact` makes for each request. */
  transfer: number;
}

/** Measures on `world`'s chain, with the real USDC. */
export async function measureGas(
  world: EscrowChain,
  requests: readonly number[],
): Promise<GasFigures> {
  const { chain, escrow, accounts: { payer, provider } } = world;
  await fund(world, payer, 50_000n);
  const permits = await lanePermits(world);
  let counted = 1n;
  const settle = async (credits: bigint) => {
    const charges = permits.map((permit) => ({ permit, credits, price: PRICE }));
    return (await consumeBatch(chain, provider, escrow, charges)).gasUsed;
  };
  // New lanes cost more, once.
  await settle(counted);
  const lane = new Map<number, number>();
  for (const count of requests) {
    counted += BigInt(count);
    lane.set(count, Number(await settle(counted)) / LANES);
  }
  return { lane, transfer: await transferGas(world, payer) };
}

async function lanePermits(
  { chain, escrow, accounts: { payer, provider } }: EscrowChain,
): Promise<Permit[]> {
  return await Promise.all(
    Array.from(
      { length: LANES },
      (_, index) =>
        signPermit(payer, { chainId: chain.chainId, escrow }, {
          payer: payer.address,
          provider: provider.address,
          lane: word(index + 1),
          price: PRICE,
          credits: UINT128_MAX,
          deadline: UINT64_MAX,
          epoch: 0,
        }),
    ),
  );
}

/** The second of two: the first also opens the receiver's balance. */
async function transferGas(world: EscrowChain, payer: LocalAccount): Promise<number> {
  const { chain, usdc } = world;
  const to = anvilAccount(8).address;
  let gas = 0n;
  for (const nonce of [1, 2]) {
    gas = (await transfer(world, payer, usdc, to, word(nonce))).gasUsed;
  }
  return Number(gas);

  async function transfer(
    { accounts: { stranger } }: EscrowChain,
    from: LocalAccount,
    token: Address,
    to: Address,
    nonce: Hex,
  ) {
    const message = {
      from: from.address,
      to,
      value: PRICE,
      validAfter: 0n,
      validBefore: UINT64_MAX,
      nonce,
    };
    const signature = await from.signTypedData({
      domain: await usdcDomain(chain, token),
      types: TRANSFER_TYPES,
      primaryType: "TransferWithAuthorization",
      message,
    });
    return await chain.send(stranger, transferCall(token, message, signature));
  }
}

function word(value: number): Hex {
  return `0x${value.toString(16).padStart(64, "0")}`;
}
