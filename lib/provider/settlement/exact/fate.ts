/** What the chain tells of an authorisation that was, or may have been, sent. */
import { type Address, encodeEventTopics, type Hex, pad, type RpcLog } from "viem";
import { usdcAbi } from "../../../chain/abi.ts";
import type { Chain } from "../../../chain/client.ts";
import { takenIn } from "../../../chain/transfer_call.ts";
import { authorizationStateCall } from "../../../chain/usdc.ts";
import { FATE_RANGES_MAX } from "../../../limits_of_exact.ts";
import type { Purchase } from "../../ledger/purchase_rows.ts";

export type Fate =
  /** The money came, in whose transaction ever. */
  | { kind: "paid"; transaction: Hex; block: { number: bigint; hash: Hex } }
  | { kind: "cancelled" }
  /** Its payer used the nonce for another transfer. */
  | { kind: "spent" }
  /** Nobody can take it any more, and nobody has. */
  | { kind: "expired" }
  /** It can still be taken. */
  | { kind: "unused" }
  /** The endpoint lags, or says that it is used and has no event that says how. */
  | { kind: "unknown" };

/** An endpoint's head may be so many blocks behind the one that was asked before. */
const LAG_BLOCKS = 64n;
/** Blocks that are searched at once: no more than any endpoint takes. */
const RANGE_BLOCKS = 1_000n;

const USED = encodeEventTopics({ abi: usdcAbi, eventName: "AuthorizationUsed" })[0];
const CANCELED = encodeEventTopics({ abi: usdcAbi, eventName: "AuthorizationCanceled" })[0];

export interface FateSources {
  chain: Chain;
  usdc: Address;
  /** The later of the clock here and the chain's, ms. */
  now: number;
  /** Where an earlier search came to, null at first; it is left where this one does. */
  search?: { from: bigint | null };
  /** A block that was heard of: an endpoint that does not know it yet has nothing to tell. */
  heard?: bigint;
}

/** @throws what the endpoint's failure is */
export async function readFate(
  { chain, usdc, now, heard = 0n, search = { from: null } }: FateSources,
  { authorization, block }: Pick<Purchase, "authorization" | "block">,
): Promise<Fate> {
  const { from, to, value, nonce, validBefore } = authorization;
  const state = authorizationStateCall(usdc, from, nonce);
  // Before the state: what is not used by a block whose time is past will never be.
  const latest = await chain.public.getBlock();
  if (latest.number < heard) return { kind: "unknown" };
  const isUsed = await chain.read<boolean>({ ...state, blockNumber: latest.number });
  if (!isUsed) {
    const isOver = latest.timestamp >= validBefore && now >= Number(validBefore) * 1_000;
    return { kind: isOver ? "expired" : "unused" };
  }
  search.from ??= block > LAG_BLOCKS ? block - LAG_BLOCKS : 0n;
  const event = await findEvent({ chain, usdc }, authorization, search, latest.number);
  if (event === null) return { kind: "unknown" };
  if (event.topics[0] === CANCELED) return { kind: "cancelled" };
  const { logs } = await chain.public.getTransactionReceipt({ hash: event.transactionHash! });
  const taken = takenIn(usdc, logs).find((one) => one.from === from && one.nonce === nonce);
  // The receipt is not that of the event any more: the chain was reorganised meanwhile.
  if (!taken) return { kind: "unknown" };
  if (taken.to !== to || taken.value !== value) return { kind: "spent" };
  return { kind: "paid", transaction: taken.transaction, block: taken.block };
}

/**
 * The one event that ends an authorisation; null: none is to be had, or not yet. What was searched
 * is not searched again, but for the last blocks, of which an endpoint may have told too early.
 */
async function findEvent(
  { chain, usdc }: Pick<FateSources, "chain" | "usdc">,
  { from, nonce }: Purchase["authorization"],
  search: { from: bigint | null },
  upTo: bigint,
): Promise<RpcLog | null> {
  const since = search.from!;
  for (let ranges = 0; ranges < FATE_RANGES_MAX; ranges++) {
    const first = since + BigInt(ranges) * RANGE_BLOCKS;
    if (first > upTo) break;
    const last = first + RANGE_BLOCKS - 1n < upTo ? first + RANGE_BLOCKS - 1n : upTo;
    const [event] = await chain.public.request({
      method: "eth_getLogs",
      params: [{
        address: usdc,
        topics: [[USED, CANCELED], pad(from), nonce],
        fromBlock: `0x${first.toString(16)}`,
        toBlock: `0x${last.toString(16)}`,
      }],
    });
    if (event) return event as RpcLog;
    const settled = upTo > LAG_BLOCKS ? upTo - LAG_BLOCKS : 0n;
    if (last < settled) search.from = last + 1n;
  }
  return null;
}
