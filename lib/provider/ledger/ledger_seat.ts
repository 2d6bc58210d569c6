/**
 * The ledger where calls find it: here, or with the process that took this one's place. While it is
 * on its way calls wait. What is answered at once is what was heard here last.
 */
import type { Address, Hex } from "viem";
import type { Permit } from "../../permit.ts";
import { Seat } from "../../seat.ts";
import type { Until } from "./group_commit.ts";
import type { Draw, Judgement, PayerView, Source } from "./judge.ts";
import type { LaneId, Outcome } from "./journal.ts";
import type { ChainFact, Held, Ledger, RunFacts, Standing } from "./ledger.ts";
import type { SqliteLedger } from "./sqlite_ledger.ts";
import type { ReceiptedCharge, Store } from "./store.ts";

/** What calls ask of a ledger, wherever it is. */
export interface CallLedger extends
  Pick<
    Ledger,
    | "judge"
    | "hold"
    | "charge"
    | "standing"
    | "used"
    | "usedUp"
    | "basis"
    | "receipted"
  > {
  release(held: Held, reason: string): unknown;
}

export class LedgerSeat implements Ledger {
  readonly #seat: Seat<CallLedger, SqliteLedger>;

  constructor(private readonly own: SqliteLedger) {
    this.#seat = new Seat<CallLedger, SqliteLedger>(own);
  }

  /** Of the ledger that is, or was, here. */
  get store(): Store {
    return this.own.store;
  }

  /** From now on calls go to the ledger that `next` resolves with. */
  move(next: Promise<CallLedger>): void {
    this.#seat.move(next);
  }

  judge(draw: Draw, view: PayerView, source: Source): Promise<Judgement> {
    return this.#seat.use((ledger) => ledger.judge(draw, view, source));
  }

  hold(draw: Draw, view: PayerView, source: Source, isPooled?: boolean) {
    return this.#seat.use((ledger) => ledger.hold(draw, view, source, isPooled));
  }

  charge(held: Held, outcome: Outcome, run: RunFacts | null, until?: Until): Promise<void> {
    return this.#seat.use((ledger) => ledger.charge(held, outcome, run, until));
  }

  release(held: Held, reason: string): void {
    if (!this.#seat.isMoving) return this.own.release(held, reason);
    const release = async (ledger: CallLedger) => void await ledger.release(held, reason);
    // Where nobody takes it, whoever opens the books next releases it.
    this.#seat.use(release).catch(() => {});
  }

  standing(draw: Draw, view: PayerView): Promise<Standing> {
    return this.#seat.use((ledger) => ledger.standing(draw, view));
  }

  used(lane: LaneId, view: PayerView): Promise<bigint> {
    return this.#seat.use((ledger) => ledger.used(lane, view));
  }

  usedUp(lane: LaneId): Promise<Permit | null> {
    return this.#seat.use((ledger) => ledger.usedUp(lane));
  }

  basis(payer: Address, lane: Hex, block: bigint) {
    return this.#seat.use((ledger) => ledger.basis(payer, lane, block));
  }

  receipted(reservation: number): Promise<ReceiptedCharge | undefined> {
    return this.#seat.use((ledger) => ledger.receipted(reservation));
  }

  unsettled(payer: Address): bigint {
    return this.own.unsettled(payer);
  }

  knows(payer: Address, lane?: Hex): boolean {
    return this.own.knows(payer, lane);
  }

  due() {
    return this.own.due();
  }

  dueOf(payer: Address) {
    return this.own.dueOf(payer);
  }

  lane(id: LaneId) {
    return this.own.lane(id);
  }

  unsure(block: bigint) {
    return this.own.unsure(block);
  }

  settledAbove(block: bigint) {
    return this.own.settledAbove(block);
  }

  refused(payer: Address) {
    return this.own.refused(payer);
  }

  /** What the chain tells is for who has the books. */
  async record(facts: readonly ChainFact[]): Promise<void> {
    if (!this.#seat.isMoving) await this.own.record(facts);
  }

  totals() {
    return this.own.totals();
  }

  figures() {
    return this.own.figures();
  }

  stopHolding(): void {
    this.own.stopHolding();
  }

  close(): Promise<void> {
    return this.own.close(this.#seat.isMoving);
  }
}
