/**
 * One round of settlement: a snapshot of what is due, of which each debt that is worth its gas gets
 * its turn, and nothing that becomes due meanwhile.
 */
import type { Address } from "viem";
import type { DueLane } from "../ledger/ledger.ts";
import { inSlices } from "../../slices.ts";
import { amountOf, type Row } from "./rows.ts";
import { type Ends, type Turn, turnOf, TurnQueue } from "./turn.ts";
import { canWait, type Debt, type GasTerms, isWorth } from "./worth.ts";

/** What a round goes by. */
export interface RoundTerms extends GasTerms {
  /** Unix seconds. */
  readonly now: number;
  readonly intervalSeconds: number;
  /** How long before its end a debt has to be on its way, seconds. */
  readonly windowSeconds: number;
  /** Gas of one row, and of a batch besides its rows. */
  readonly rowGas: bigint;
  readonly batchGas: bigint;
  /** Rows of a batch at most. */
  readonly batchRows: number;
  /** Whether what can wait does; who asks for a settlement does not wait. */
  readonly isPatient: boolean;
}

/** A debt with the rows that settle it. */
export interface BatchDebt extends Debt {
  readonly rows: readonly Row[];
}

/** What goes to the escrow in one transaction. */
export interface Batch {
  readonly rows: readonly Row[];
  readonly debts: readonly BatchDebt[];
}

/** The rows that settle a lane as it is now; none when another batch carries it. */
export type FindRows = (turn: Turn, debtCanWait: boolean) => Promise<readonly Row[]>;

export class Round {
  readonly #queue = new TurnQueue();
  /** What is due and not worth its gas yet. */
  readonly waiting = { lanes: 0, amount: 0n };

  private constructor(readonly terms: RoundTerms) {}

  /** @param ends what payers gave notice of, as far as one knows */
  static async open(
    due: readonly DueLane[],
    ends: ReadonlyMap<Address, Ends>,
    terms: RoundTerms,
  ): Promise<Round> {
    const round = new Round(terms);
    await inSlices(due, (lane) => round.#add(turnOf(lane, ends.get(lane.payer), terms)));
    return round;
  }

  get isOver(): boolean {
    return this.#queue.size === 0;
  }

  /** Whether the next debt can wait. */
  get canWait(): boolean {
    const turn = this.#queue.peek();
    return turn !== undefined && this.#canWait(turn);
  }

  /** By how much the earliest turn is over, seconds. */
  get behindSeconds(): number {
    const turn = this.#queue.peek();
    return turn ? Math.max(0, this.terms.now - turn.at) : 0;
  }

  /** The next batch; null when what is left is not worth one. */
  async next(findRows: FindRows): Promise<Batch | null> {
    // Dust that is not worth a batch keeps nobody else's debt from the next one.
    while (!this.isOver) {
      const batch = await this.#next(findRows);
      if (batch) return batch;
    }
    return null;
  }

  async #next(findRows: FindRows): Promise<Batch | null> {
    const { batchRows, batchGas, rowGas } = this.terms;
    const rows: Row[] = [];
    const debts: BatchDebt[] = [];
    while (rows.length < batchRows && !this.isOver) {
      const turn = this.#queue.pop()!;
      const debtCanWait = this.#canWait(turn);
      const own = (await findRows(turn, debtCanWait)).slice(0, batchRows);
      const debt = { amount: amountOf(own), canWait: debtCanWait, rows: own };
      if (own.length === 0 || !isWorth([debt], rowGas * BigInt(own.length), this.terms)) continue;
      rows.push(...own);
      debts.push(debt);
    }
    const gas = batchGas + rowGas * BigInt(rows.length);
    if (rows.length > 0 && isWorth(debts, gas, this.terms)) return { rows, debts };
    return null;
  }

  #add(turn: Turn): void {
    const { amount } = turn.due;
    const debt = { amount, canWait: this.#canWait(turn) };
    if (isWorth([debt], this.terms.rowGas, this.terms)) return this.#queue.push(turn);
    this.waiting.lanes += 1;
    this.waiting.amount += amount;
  }

  #canWait(turn: Turn): boolean {
    const { isPatient, now, windowSeconds } = this.terms;
    return isPatient && canWait(turn, now, windowSeconds);
  }
}

/** The half of a batch's debts that brings more a row; null when there is no half of it. */
export function richerHalf({ debts }: Batch): Batch | null {
  if (debts.length < 2) return null;
  const byWorth = debts.toSorted((one, other) => {
    const [a, b] = [
      one.amount * BigInt(other.rows.length),
      other.amount * BigInt(one.rows.length),
    ];
    return a > b ? -1 : a < b ? 1 : 0;
  });
  const half = byWorth.slice(0, Math.floor(debts.length / 2));
  return { debts: half, rows: half.flatMap(({ rows }) => rows) };
}
