/** The escrow's events about this provider, and what they tell the ledger. */
import {
  type Address,
  type Hex,
  type Log as ChainLog,
  parseEventLogs,
  toFunctionSelector,
} from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { ChainFact } from "../ledger/ledger.ts";

/** What the escrow told: one of its events, with the block that carries it. */
export type EscrowEvent = ReturnType<typeof parseEscrowLogs>[number];

const NAMES = [
  "Allowed",
  "RevokeStarted",
  "EpochBumped",
  "Reclaimed",
  "Charged",
  "ChargeSkipped",
] as const;

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

/** The settlements among the events, whoever sent them. The event's cumulative is our settled. */
export function settlementsIn(events: readonly EscrowEvent[]): ChainFact[] {
  return events.filter((event) => event.eventName === "Charged").map((event): ChainFact => {
    const { payer, lane, cumulative: settled } = event.args;
    const { blockNumber: block, transactionHash: transaction } = event;
    return { fact: "settled", payer, lane, settled, block, transaction };
  });
}
