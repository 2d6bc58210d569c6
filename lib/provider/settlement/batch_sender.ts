/**
 * Batches on their way: each is encoded, launched within what the operator may settle today and
 * within what it brings, and followed until what became of it is written down.
 */
import type { Address, TransactionReceipt } from "viem";
import { KhachapuriError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import { leftToday } from "../ledger/operator_room.ts";
import { BATCH_GAS, type Capacity, NEW_ROW_GAS } from "./capacity.ts";
import { encodeCharges } from "./charge_data.ts";
import type { Flights } from "./flights.ts";
import type { Operator } from "./operator.ts";
import type { OperatorWatch } from "./operator_watch.ts";
import type { Outcomes } from "./outcomes.ts";
import { type Batch, richerHalf } from "./round.ts";
import type { SettlementTally } from "./tally.ts";
import { amountOf, fitting, type Row, sideBySide } from "./rows.ts";
import { costMaxOf, type Debt, type GasTerms } from "./worth.ts";

export interface BatchSenderOptions {
  escrow: Address;
  operator: Pick<Operator, "launch">;
  watch: Pick<OperatorWatch, "limits" | "expect" | "look">;
  capacity: Capacity;
  flights: Flights;
  outcomes: Outcomes;
  tally?: Pick<SettlementTally, "landed">;
  log: Log;
  /** A batch was lost, or nobody can tell what became of it. */
  putOff(error: unknown): false;
  /** There is nothing to be gained by asking for more at once. */
  beQuiet(): void;
}

/** A batch that is out. */
export interface Sent {
  /** Whether it was mined and its outcome is written down; never rejects. */
  readonly landed: Promise<boolean>;
  /** The operator may settle no more today. */
  readonly isCut: boolean;
}

export class BatchSender {
  readonly #options: BatchSenderOptions;

  constructor(options: BatchSenderOptions) {
    this.#options = options;
  }

  /**
   * What of a batch pays for its gas as it is signed, which may be more than was thought, goes out;
   * null when that is nothing. Else debts that cannot would keep those behind them from the escrow.
   * @throws KhachapuriError `chain_unavailable`, `chain_refused`: nothing was sent
   */
  async send(batch: Batch, terms: GasTerms): Promise<Sent | null> {
    for (let part: Batch | null = batch; part; part = richerHalf(part)) {
      const rows = this.#withinLimits(part.rows);
      const isCut = rows !== part.rows;
      if (rows.length === 0) return { landed: Promise.resolve(true), isCut };
      try {
        const debts = isCut ? [{ amount: amountOf(rows), canWait: false }] : part.debts;
        return { ...await this.#launch(rows, debts, terms), isCut };
      } catch (error) {
        if (!isGasTooDear(error)) throw error;
      }
    }
    this.#options.log.warn("gas is too dear for a batch", { rows: batch.rows.length });
    return null;
  }

  /** What an operator with a daily cap cannot settle today waits: the latest turns. */
  #withinLimits(rows: readonly Row[]): readonly Row[] {
    const { watch, log } = this.#options;
    const limits = watch.limits();
    if (limits === null || limits.dailyCap === 0n) return rows;
    const left = leftToday(limits);
    if (amountOf(rows) <= left) return rows;
    const within = fitting(rows, left);
    const amount = amountOf(rows) - amountOf(within);
    log.warn("the operator's daily cap puts a part off", { amount, rows: within.length });
    return within;
  }

  /** The batch is out; `landed` says whether it was mined and its outcome is written down. */
  async #launch(
    rows: readonly Row[],
    debts: readonly Debt[],
    terms: GasTerms,
  ): Promise<{ landed: Promise<boolean> }> {
    const { escrow, operator, watch } = this.#options;
    const ordered = sideBySide(rows);
    const data = encodeCharges(ordered.map(({ charge }) => charge));
    // What it will use of the operator's cap counts as spent until the chain has told.
    const told = watch.expect(amountOf(rows));
    const landed = this.#options.flights.start(rows, debts.some(({ canWait }) => canWait));
    const end = () => {
      told();
      landed();
    };
    try {
      const { mined } = await operator.launch({ to: escrow, data }, {
        rank: "settlement",
        costMax: costMaxOf(debts, terms),
        // Rows that do not fit when it is estimated, and do when it is mined, take more.
        gasMin: BATCH_GAS + NEW_ROW_GAS * BigInt(rows.length),
      });
      const landed = this.#land(ordered, mined).then(
        () => true,
        (error) => this.#options.putOff(error),
      ).then((isMined) => {
        this.#options.tally?.landed(isMined);
        return isMined;
      });
      return { landed: landed.finally(end) };
    } catch (error) {
      end();
      throw error;
    }
  }

  async #land(rows: readonly Row[], mined: Promise<TransactionReceipt>): Promise<void> {
    const { watch, capacity, log } = this.#options;
    const receipt = await mined;
    const isOverCap = await this.#options.outcomes.land(rows, receipt);
    capacity.noteBatch(rows.length, receipt.gasUsed);
    log.info("settled", { rows: rows.length, transaction: receipt.transactionHash });
    // Somebody else with the operator's key used the day's rest.
    if (isOverCap) this.#options.beQuiet();
    if (watch.limits() !== null) await watch.look();
  }
}

function isGasTooDear(error: unknown): boolean {
  return error instanceof KhachapuriError && error.data.reason === "GasTooDear";
}
