/** How the token takes EIP-3009 authorisations to transfer, and what it tells of them. */
import { type Address, type Hex, parseEventLogs, type RpcLog } from "viem";
import type { TransferAuthorization } from "../transfer_authorization.ts";
import { usdcAbi } from "./abi.ts";
import type { ContractCall } from "./contract_call.ts";

/** The call that moves the money; anybody may send it. */
export function transferCall(
  usdc: Address,
  authorization: TransferAuthorization,
  signature: Hex,
): ContractCall {
  const { from, to, value, validAfter, validBefore, nonce } = authorization;
  return {
    address: usdc,
    abi: usdcAbi,
    functionName: "transferWithAuthorization",
    args: [from, to, value, validAfter, validBefore, nonce, signature],
  };
}

/** An authorisation that the token has taken, and what it moved. */
export interface TakenAuthorization
  extends Omit<TransferAuthorization, "validAfter" | "validBefore"> {
  transaction: Hex;
  block: { number: bigint; hash: Hex };
}

/** A log with where it stands. */
type MinedLog = Pick<RpcLog, "address" | "data" | "topics"> & {
  logIndex: number | Hex | null;
  transactionHash: Hex | null;
  blockNumber: bigint | Hex | null;
  blockHash: Hex | null;
};

/**
 * The authorisations that one transaction's logs say were taken. The token tells that one is used
 * and then what it moved; another token's events, and a transfer without an authorisation, are
 * nothing here.
 */
export function takenIn(usdc: Address, logs: readonly MinedLog[]): TakenAuthorization[] {
  const own = logs.filter(({ address }) => address.toLowerCase() === usdc.toLowerCase());
  const events = parseEventLogs({
    abi: usdcAbi,
    eventName: ["AuthorizationUsed", "Transfer"],
    logs: own as never[],
  });
  const taken: TakenAuthorization[] = [];
  for (const [index, used] of events.entries()) {
    const moved = events[index + 1];
    if (used.eventName !== "AuthorizationUsed" || moved?.eventName !== "Transfer") continue;
    const { authorizer, nonce } = used.args;
    const { from, to, value } = moved.args;
    const { transactionHash: transaction, blockNumber: number, blockHash: hash } = used;
    if (authorizer !== from || moved.transactionHash !== transaction) continue;
    if (transaction === null || number === null || hash === null) continue;
    taken.push({ from, to, value, nonce, transaction, block: { number: BigInt(number), hash } });
  }
  return taken;
}
