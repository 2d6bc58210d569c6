/** What the chain's news mean for the books; one process at a time writes it down. */
import type { Ledger } from "../ledger/ledger.ts";
import type { ChargedElsewhere } from "./charged_elsewhere.ts";
import { type EscrowEvent, settlementsIn } from "./escrow_events.ts";
import type { ExactSettlement } from "./exact/exact_settlement.ts";
import type { Settlement } from "./settlement.ts";

export interface Recording {
  ledger: Pick<Ledger, "record" | "unsure" | "settledAbove">;
  settlement: Pick<Settlement, "settlePayer" | "revive" | "level">;
  /** Null where the escrow takes a credit before its run: it is ahead of the book as a rule. */
  elsewhere: Pick<ChargedElsewhere, "look"> | null;
  /** Null where payments by authorisation are no part of the books. */
  exact: Pick<ExactSettlement, "doubtAbove"> | null;
}

/** Writes down what the escrow took. */
export async function recordEvents(
  { ledger, elsewhere }: Pick<Recording, "ledger" | "elsewhere">,
  events: readonly EscrowEvent[],
): Promise<void> {
  const settled = settlementsIn(events);
  await elsewhere?.look(settled);
  await ledger.record(settled);
}

/** In the background: payers' news are acted on. */
export function heedPayers(
  { settlement }: Pick<Recording, "settlement">,
  events: readonly EscrowEvent[],
): void {
  for (const { eventName, args: { payer } } of events) {
    // The payer has given notice: what it owes is settled well before credits or permits go.
    const isNotice = eventName === "RevokeStarted" || eventName === "EpochBumped";
    if (isNotice) settlement.settlePayer(payer);
    // More credits may cover what the escrow refused, an epoch that begins its permit.
    if (eventName === "Allowed" || eventName === "EpochBumped") settlement.revive(payer);
  }
}

/** Blocks above `block` are no longer what they were, or nobody watched them. */
export async function recordReorg(
  { exact, settlement, ledger }: Recording,
  block: bigint,
): Promise<void> {
  await exact?.doubtAbove(block);
  await settlement.level(await ledger.unsure(block));
}

/** Somebody else stopped at `block`; what it had noted of blocks above may have gone. */
export async function recordResume(
  { exact, settlement, ledger }: Recording,
  block: bigint,
): Promise<void> {
  await exact?.doubtAbove(block);
  await settlement.level(await ledger.settledAbove(block));
}
