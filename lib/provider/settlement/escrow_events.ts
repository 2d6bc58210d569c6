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
import type { PayerEvent } from "../money/payer_events.ts";

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

/** What the events say of payers' allowances. */
export function payerEventsIn(events: readonly EscrowEvent[]): PayerEvent[] {
  return events.flatMap((event) => payerEventOf(event) ?? []);
}

function payerEventOf(event: EscrowEvent): PayerEvent | null {
  const about = { payer: event.args.payer, block: event.blockNumber };
  switch (event.eventName) {
    case "Allowed": {
      const { pricePerCredit, credits, signer } = event.args;
      return { ...about, event: "allowed", pricePerCredit, credits, signer };
    }
    case "RevokeStarted": {
      const { thawingCredits, thawEnd } = event.args;
      return { ...about, event: "revoke_started", thawingCredits, thawEnd };
    }
    case "Reclaimed":
      return { ...about, event: "reclaimed", credits: event.args.credits };
    case "EpochBumped": {
      const { epoch, epochEnd } = event.args;
      return { ...about, event: "epoch_bumped", epoch, epochEnd };
    }
    case "Charged": {
      const { lane, credits, cumulative: settled } = event.args;
      return { ...about, event: "charged", lane, credits, settled };
    }
    case "ChargeSkipped":
      return null;
  }
}
