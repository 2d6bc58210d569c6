/**
 * Two machines that serve under one provider's address promise the same credits to the same payers,
 * and what the second one settles is refused. Neither sees the other, but for the chain: there the
 * escrow takes credits that this one has not charged.
 */
import type { ChainFact, Ledger } from "../ledger/ledger.ts";
import type { Log } from "../../log.ts";

export class ChargedElsewhere {
  #credits = 0n;

  constructor(private readonly ledger: Pick<Ledger, "lane">, private readonly log: Log) {}

  /** To be called with what the escrow took, whoever sent it. */
  async look(facts: readonly ChainFact[]): Promise<void> {
    for (const fact of facts) {
      if (fact.fact !== "settled") continue;
      const { payer, lane, settled, transaction } = fact;
      const known = await this.ledger.lane({ payer, lane });
      const beyond = settled - (known?.charged ?? 0n);
      if (beyond <= 0n) continue;
      this.#credits += beyond;
      this.log.error(ALARM, { payer, lane, credits: beyond, transaction });
    }
  }

  /** Credits beyond what was charged here, since this process started. */
  credits(): number {
    return Number(this.#credits);
  }

  /** In plain words; empty when all is well. */
  alarms(): readonly string[] {
    return this.#credits === 0n ? [] : [ALARM];
  }
}

const ALARM = "credits were charged for this provider that are not in this book: does another " +
  "machine serve under its address, or was the book restored from a backup?";
