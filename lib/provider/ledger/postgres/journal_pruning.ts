/** Has the oldest charges leave a fleet's journal, at the node that leads, once too many. */
import { IDEMPOTENCY_WINDOW_MS } from "../../../limits.ts";
import type { Database } from "../../fleet/database.ts";

export interface JournalPruningOptions {
  database: Database;
  /** Charges that are kept at least; somewhat more at times. */
  rowsMost: number;
  /** Unix ms. */
  now(): number;
  onTrouble(error: unknown): void;
  /** Between two looks, ms: each counts all rows, a second or two for ten million. */
  everyMs?: number;
}

const EVERY_MS = 600_000;
/** A slice is some fifty milliseconds' work. */
const SLICE = 10_000;
/** Answers under keys go by their charges, and clocks of nodes differ. */
const KEPT_MS = IDEMPOTENCY_WINDOW_MS + 3_600_000;

export class JournalPruning {
  readonly #timer: ReturnType<typeof setInterval>;
  #pruning: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(private readonly options: JournalPruningOptions) {
    this.#timer = setInterval(() => this.#start(), options.everyMs ?? EVERY_MS);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  /** Resolves when nothing more goes from here. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#pruning;
  }

  #start(): void {
    const { onTrouble } = this.options;
    this.#pruning = this.#pruning.then(() => this.#prune()).catch(onTrouble);
  }

  async #prune(): Promise<void> {
    const { rowsMost, now } = this.options;
    const upto = await this.#ask<string | null>(
      "SELECT journal_cutoff_1($1, $2) AS it",
      rowsMost,
      String(now() - KEPT_MS),
    );
    if (upto === null) return;
    let rows = SLICE;
    while (rows === SLICE && !this.#isClosed) {
      rows = await this.#ask<number>("SELECT prune_journal_1($1, $2) AS it", upto, SLICE);
    }
  }

  async #ask<T>(statement: string, ...parameters: (string | number)[]): Promise<T> {
    const options = { isLong: true };
    const [row] = await this.options.database.ask<{ it: T }>(statement, parameters, options);
    return row!.it;
  }
}
