/** The escrow's events about this provider, and what they do to the ledger. */
import {
  type Address,
  type Hex,
  type Log as ChainLog,
  parseEventLogs,
  toFunctionSelector,
} from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** What the escrow told: one of its events, with the block that carries it. */
export type EscrowEvent = ReturnType<typeof parseEscrowLogs>[number];

const NAMES = ["Allowed", "RevokeStarted", "Reclaimed", "Charged", "ChargeSkipped"] as const;

/** The escrow's events in `logs`; other contracts' are passed over. */
export function parseEscrowLogs(escrow: Address, logs: readonly ChainLog[]) {
  const ours = logs.filter((log) => log.address.toLowerCase() === escrow.toLowerCase());
  return parseEventLogs({ abi: escrowAbi, eventName: [...NAMES], logs: [...ours] });
}

const REASONS: ReadonlyMap<string, string> = new Map(
  escrowAbi.filter((item) => item.type === "error").map((item) => [
    toFunctionSelector({ ...item, type: "function", outputs: [], stateMutability: "view" }),
    item.name,
  ]),
);

/** The name of the error whose selector a skipped row carries. */
export function skipReason(selector: Hex): string {
  return REASONS.get(selector) ?? selector;
}

/** What the events say about counters that we know: a settlement, whoever sent it. */
export async function recordCharges(ledger: Ledger, events: readonly EscrowEvent[]): Promise<void> {
  for (const event of events) {
    if (event.eventName !== "Charged") continue;
    const { payer, lane, cumulative: credits } = event.args;
    const known = ledger.lane(payer, lane);
    if (!known || known.settled >= credits) continue;
    const { blockNumber: block, transactionHash: transaction } = event;
    await ledger.append({ kind: "settle", payer, lane, credits, block, transaction });
  }
}
