/** What the escrow says of lanes and payers of this provider, read many at a time. */
import type { Address, Hex } from "viem";
import type { Chain } from "../../chain/client.ts";
import type { Allowance } from "../../chain/escrow.ts";
import { escrowCall } from "../../chain/escrow_call.ts";
import { asChainError } from "../../chain/refusal.ts";
import type { LaneId } from "../ledger/journal.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** Whose counters, and where they stand. */
export interface Site {
  readonly chain: Pick<Chain, "endpoint" | "public" | "readMany">;
  readonly escrow: Address;
  readonly provider: Address;
}

/** Lanes that are read and written down at a time. */
const LANES_AT_ONCE = 1_000;

/**
 * The ledger's counters of `lanes` are what the escrow says, be they lower; refusals are forgotten.
 * @throws KhachapuriError `chain_unavailable`
 */
export async function level(
  site: Site,
  ledger: Pick<Ledger, "record">,
  lanes: readonly LaneId[],
): Promise<void> {
  for (let at = 0; at < lanes.length; at += LANES_AT_ONCE) {
    const some = lanes.slice(at, at + LANES_AT_ONCE);
    // Read as of a block that is known by its number: views of earlier ones do not know it yet.
    const block = await newestBlock(site.chain);
    const counters = await readCounters(site, some, block);
    await ledger.record(some.map(({ payer, lane }, index) => ({
      fact: "level" as const,
      payer,
      lane,
      settled: counters[index]!,
      block,
    })));
  }
}

async function newestBlock({ public: client, endpoint }: Site["chain"]): Promise<bigint> {
  return await client.getBlockNumber({ cacheTime: 0 }).catch((error) => {
    throw asChainError(error, endpoint);
  });
}

/** Credits that the escrow ever took on each lane, as of a block. */
async function readCounters(
  { chain, escrow, provider }: Site,
  lanes: readonly LaneId[],
  block: bigint,
): Promise<bigint[]> {
  const reads = lanes.map(({ payer, lane }: { payer: Address; lane: Hex }) =>
    escrowCall(escrow, "consumed", [payer, provider, lane])
  );
  return await chain.readMany<bigint>(reads, block);
}

/**
 * What payers have set aside for the provider, as of the latest block.
 * @throws KhachapuriError `chain_unavailable`
 */
export async function readAllowances(
  { chain, escrow, provider }: Site,
  payers: readonly Address[],
): Promise<Map<Address, Allowance>> {
  const reads = payers.map((payer) => escrowCall(escrow, "allowance", [payer, provider]));
  const held = payers.length === 0 ? [] : await chain.readMany<Allowance>(reads);
  return new Map(payers.map((payer, index) => [payer, held[index]!]));
}
