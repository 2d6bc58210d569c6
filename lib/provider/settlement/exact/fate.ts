/** What the chain tells of an authorisation that was, or may have been, sent. */
import type { Address, Hex } from "viem";
import { usdcAbi } from "../../../chain/abi.ts";
import type { Chain } from "../../../chain/client.ts";
import { takenIn } from "../../../chain/transfer_call.ts";
import { authorizationStateCall } from "../../../chain/usdc.ts";
import type { Purchase } from "../../ledger/purchase_rows.ts";

export type Fate =
  /** The money came, in whose transaction ever. */
  | { kind: "paid"; transaction: Hex; block: { number: bigint; hash: Hex } }
  | { kind: "cancelled" }
  /** Nobody can take it any more, and nobody has. */
  | { kind: "expired" }
  /** It can still be taken. */
  | { kind: "unused" }
  /** The token says that it is used, and no event is to be had that says how. */
  | { kind: "unknown" };

/** An endpoint's head may be so many blocks behind the one that was asked before. */
const LAG_BLOCKS = 64n;

export interface FateSources {
  chain: Chain;
  usdc: Address;
  /** The later of the clock here and the chain's, ms. */
  now: number;
}

/** @throws what the endpoint's failure is */
export async function readFate(
  { chain, usdc, now }: FateSources,
  { authorization, block }: Pick<Purchase, "authorization" | "block">,
): Promise<Fate> {
  const { from, to, value, nonce, validBefore } = authorization;
  const state = authorizationStateCall(usdc, from, nonce);
  // Before the state: what is not used by a block whose time is past will never be.
  const latest = await chain.public.getBlock();
  const isUsed = await chain.read<boolean>({ ...state, blockNumber: latest.number });
  if (!isUsed) {
    const isOver = latest.timestamp >= validBefore && now >= Number(validBefore) * 1_000;
    return { kind: isOver ? "expired" : "unused" };
  }
  const fromBlock = block > LAG_BLOCKS ? block - LAG_BLOCKS : 0n;
  const search = { address: usdc, abi: usdcAbi, args: { authorizer: from, nonce }, fromBlock };
  const [used] = await chain.public.getContractEvents({
    ...search,
    eventName: "AuthorizationUsed",
  });
  if (used) {
    const { logs } = await chain.public.getTransactionReceipt({ hash: used.transactionHash });
    const taken = takenIn(usdc, logs).find((one) => one.from === from && one.nonce === nonce);
    const isOurs = taken?.to === to && taken.value === value;
    if (!isOurs) return { kind: "unknown" };
    return { kind: "paid", transaction: taken.transaction, block: taken.block };
  }
  const [cancelled] = await chain.public.getContractEvents({
    ...search,
    eventName: "AuthorizationCanceled",
  });
  return { kind: cancelled ? "cancelled" : "unknown" };
}
