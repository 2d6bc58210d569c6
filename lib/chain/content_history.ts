/** What an ENS name has pointed to: the events of the resolver that it has. */
import { type Address, BaseError, type Hex, RpcRequestError } from "viem";
import type { CidText } from "../cid.ts";
import { contentResolverAbi } from "./abi.ts";
import { blockTime, type Chain } from "./client.ts";
import { decodeContenthash } from "./contenthash.ts";
import { findReader, type NameSource } from "./ens.ts";
import { type Name, parseName } from "./name.ts";
import { asChainError } from "./refusal.ts";

/** Most changes of a name that are told: the time of each is asked for apart. */
const CHANGES_TOLD_MAX = 32;

/** What a name pointed to from some time on. */
export interface ContentChange {
  /** null when it pointed nowhere, or not to IPFS. */
  cid: CidText | null;
  /** Unix seconds. */
  at: bigint;
}

/**
 * What a name has pointed to at the resolver that it has now, oldest first, the last changes only;
 * null where the RPC does not search that far back. Empty when it has no resolver.
 * @throws KhachapuriError `invalid_name`, `invalid_config`, `chain_unavailable`
 */
export async function readContentHistory(
  chain: Chain,
  nameText: string,
  source: NameSource,
): Promise<ContentChange[] | null> {
  const name = parseName(nameText);
  const reader = await findReader(chain, name, source);
  if (reader === null) return [];
  const events = await searchChanges(chain, name, reader.resolver);
  return events && await Promise.all(
    events.slice(-CHANGES_TOLD_MAX).map(async ({ hash, blockNumber }) => ({
      cid: cidOrNull(hash),
      at: await blockTime(chain, blockNumber),
    })),
  );
}

async function searchChanges(chain: Chain, { node }: Name, resolver: Address) {
  const what = {
    address: resolver,
    abi: contentResolverAbi,
    eventName: "ContenthashChanged",
    args: { node },
    fromBlock: "earliest",
  } as const;
  try {
    const events = await chain.public.getContractEvents(what);
    return events.map(({ args, blockNumber }) => ({ hash: args.hash ?? "0x", blockNumber }));
  } catch (error) {
    // Public endpoints answer an error of their own to a wide range of blocks.
    if (error instanceof BaseError && error.walk((e) => e instanceof RpcRequestError)) return null;
    throw asChainError(error, chain.endpoint);
  }
}

function cidOrNull(record: Hex): CidText | null {
  try {
    return record === "0x" ? null : decodeContenthash(record);
  } catch {
    return null;
  }
}
