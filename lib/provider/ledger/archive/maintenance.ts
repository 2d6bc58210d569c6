/**
 * The work on a journal that no call waits for, in rounds: it is indexed, and its oldest rows go
 * into the archive. Between two slices of some milliseconds calls have the processor, and most of
 * the time.
 */
import type { DatabaseSync } from "node:sqlite";
import { pause } from "../../../pause.ts";
import type { StoredRow } from "../codec.ts";
import { type ArchivePolicy, Archiver } from "./archiver.ts";
import { archivedReceipt, KnownParties } from "./receipts.ts";
import { bordersOf, createArchive, LAYOUT, type Layout } from "./schema.ts";
import { SpanIndex } from "./span_index.ts";

/** Where nothing is said, nothing is put away, and nothing goes. */
const KEEP_ALL: ArchivePolicy = { rows: Infinity, archiveBytes: Infinity, receiptBytes: Infinity };

/** How many times as long as a slice took calls have after it. */
const RESTS = 3;

export interface MaintenanceOptions {
  database: DatabaseSync;
  /** Of the ledger that the database is. */
  path: string;
  /** Resolves when all that the database was told is on the disk. */
  sync(): Promise<void>;
  /** By default all is kept, in the table. */
  policy?: ArchivePolicy;
  /** Of a ledger that has none yet. */
  layout?: Layout;
  /**
   * After a slice that took so many ms; by default calls have three times as long.
   * @param ends whether it is to end early
   */
  rest?(workedMs: number, ends: AbortSignal): Promise<void>;
  /** Hears why a round ended early; the next one goes on. */
  onTrouble?(error: unknown): void;
}

class Stopped extends Error {}

export class Maintenance {
  readonly #archiver: Archiver;
  readonly #parties = new KnownParties();
  #low = 0;
  #isFailing = false;
  #round: Promise<void> | null = null;
  readonly #end = new AbortController();

  constructor(private readonly options: MaintenanceOptions) {
    const { database, path, layout = LAYOUT } = options;
    createArchive(database, layout);
    this.#archiver = new Archiver(database, path);
  }

  /**
   * Does what there is to do; one round at a time.
   * @param low the row up to which a start needs none
   */
  round(low: number): Promise<void> {
    this.#low = Math.max(this.#low, low);
    return this.#round ??= this.#work().then(() => {
      this.#isFailing = false;
    }, (error) => {
      if (error instanceof Stopped) return;
      this.#isFailing = true;
      this.options.onTrouble?.(error);
    }).finally(() => this.#round = null);
  }

  /** Whether the last round ended early by a fault. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  get archiveBytes(): number {
    return this.#archiver.bytes;
  }

  /** The row of the charge that ended a reservation, in the archive, if it has a receipt. */
  receipt(reservation: number): StoredRow | undefined {
    return archivedReceipt(this.options.database, this.options.path, reservation, this.#parties);
  }

  /** Nothing more is written when it resolves, which the slice at hand alone delays. */
  async stop(): Promise<void> {
    this.#end.abort();
    await this.#round;
  }

  async #work(): Promise<void> {
    const {
      database,
      policy = KEEP_ALL,
      sync,
      rest = (workedMs, ends) => pause(RESTS * workedMs, ends),
    } = this.options;
    const ends = this.#end.signal;
    const goOn = () => {
      if (ends.aborted) throw new Stopped();
    };
    let since = performance.now();
    const between = async () => {
      goOn();
      await rest(performance.now() - since, ends);
      goOn();
      since = performance.now();
    };
    goOn();
    await sync();
    await between();
    // Anew each time: what it remembers of a round that failed may not be in the database.
    await new SpanIndex(database, bordersOf(database)!.layout).goOn(between);
    await this.#archiver.goOn(this.#low, policy, between);
  }
}
