/** Payments by authorisation on a chain with Circle's own USDC, as the book takes them down. */
import { type Hex, pad } from "viem";
import { transferCall } from "../lib/chain/transfer_call.ts";
import { readUsdcBalance, usdcDomain } from "../lib/chain/usdc.ts";
import type { Order } from "../lib/provider/ledger/purchase_rows.ts";
import { TRANSFER_TYPES, type TransferAuthorization } from "../lib/transfer_authorization.ts";
import { ACCOUNTS } from "./chain/people.ts";
import type { UsdcChain } from "./chain/usdc_chain.ts";

const { payer, provider, stranger } = ACCOUNTS;
const CID = "bafkreidtfmd5zdgkztp6mgd2xgfqidlhmhamhkcgyxee3jvbpsrtwotasa" as Order["cid"];
/** USDC base units. */
export const PRICE = 10n;

/** The payer's nth. */
export async function signOrder(
  { chain, usdc }: Pick<UsdcChain, "chain" | "usdc">,
  n: number,
  changes: Partial<TransferAuthorization> = {},
): Promise<Order> {
  const authorization: TransferAuthorization = {
    from: payer.address,
    to: provider.address,
    value: PRICE,
    validAfter: 0n,
    validBefore: BigInt(Math.floor(Date.now() / 1_000)) + 7_200n,
    nonce: pad(`0x${n.toString(16)}`) as Hex,
    ...changes,
  };
  const signature = await payer.signTypedData({
    domain: { ...await usdcDomain(chain, usdc) },
    types: TRANSFER_TYPES,
    primaryType: "TransferWithAuthorization",
    message: { ...authorization },
  });
  return { authorization, signature, cid: CID, request: new Uint8Array(), key: null, block: 0n };
}

/** A stranger has it moved. */
export async function takeOrder(
  { chain, usdc }: Pick<UsdcChain, "chain" | "usdc">,
  { authorization, signature }: Order,
): Promise<void> {
  await chain.send(stranger, transferCall(usdc, authorization, signature));
}

/** What the provider has, USDC base units. */
export function earned({ chain, usdc }: Pick<UsdcChain, "chain" | "usdc">): Promise<bigint> {
  return readUsdcBalance(chain, usdc, provider.address);
}

/** The payer's money goes elsewhere, before all else that waits for a block. */
export async function spendFirst(
  { chain, usdc }: Pick<UsdcChain, "chain" | "usdc">,
): Promise<void> {
  const raw = await payer.signTransaction({
    type: "eip1559",
    chainId: chain.chainId,
    to: usdc,
    // transfer(stranger, 1000)
    data: `0xa9059cbb${pad(stranger.address).slice(2)}${pad("0x3e8").slice(2)}`,
    gas: 200_000n,
    nonce: await chain.public.getTransactionCount({ address: payer.address }),
    maxFeePerGas: 10n ** 11n,
    maxPriorityFeePerGas: 10n ** 10n,
  });
  await chain.public.request({ method: "eth_sendRawTransaction", params: [raw] });
}
