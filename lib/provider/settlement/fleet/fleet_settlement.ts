/**
 * Settlement as every node of a fleet has it: done here while this node leads, and what bears on
 * promises otherwise told by the one that does. While nobody does, what is promised waits longer by
 * the time that nobody did, and in the end nothing more is promised.
 */
import { KhachapuriError } from "../../../errors.ts";
import type { Log } from "../../../log.ts";
import { pause } from "../../../pause.ts";
import type { Leader, LeaderFacts, Term } from "../../fleet/leadership.ts";
import type { OperatorLimits } from "../../ledger/operator_room.ts";
import type { OperatorFigures } from "../operator.ts";
import type { OperatorWatch } from "../operator_watch.ts";
import { backlogOf, type SettlingPace } from "../pace.ts";
import { fromLeaderFacts, type SettlingFacts, toLeaderFacts } from "./leader_facts.ts";
import type { Tenure } from "./tenure.ts";
import type { FleetOperator } from "./wishes.ts";

export interface FleetSettlementOptions {
  /** @throws what keeps it from opening now: it is tried again */
  open(term: Term): Promise<Tenure>;
  /** Of this node: before a leader has told any. */
  watch: Pick<OperatorWatch, "limits">;
  sender: Pick<FleetOperator, "settleNow">;
  /** How long before its end a debt is settled while nothing waits, seconds. */
  windowSeconds: number;
  log: Log;
  /** Ms, monotonic. */
  elapsed?(): number;
}

/** Who leads is heard of so often at least, ms. */
const BEATS_MS = 3_000;
/** Between two tries to open what a leader needs, ms. */
const RETRY_MS = 500;
/** Nobody sends from here, and nobody knows its coin. */
const NO_FIGURES: OperatorFigures = {
  ...{ oldestMs: 0, balance: null, gasPrice: null, raises: 0, lacksCoin: false },
};

export class FleetSettlement {
  readonly #options: FleetSettlementOptions;
  readonly #elapsed: () => number;
  /** In which this node is to lead. */
  #term: Term | null = null;
  #tenure: Tenure | null = null;
  /** Opens and closes, one after the other. */
  #changing: Promise<void> = Promise.resolve();
  #facts: SettlingFacts | null = null;
  /** When somebody was last heard to lead, ms. */
  #ledAt: number;

  constructor(options: FleetSettlementOptions) {
    this.#options = options;
    this.#elapsed = options.elapsed ?? (() => performance.now());
    this.#ledAt = this.#elapsed();
  }

  /** While this node leads and all that it needs is open. */
  get tenure(): Tenure | null {
    return this.#term === null ? null : this.#tenure;
  }

  /** This node leads: to be told by `Leadership`. */
  gained(term: Term): void {
    this.#term = term;
    this.#change(() => this.#open(term));
  }

  /** It does not any more. */
  lost(): void {
    this.#term = null;
    this.#change(() => this.#close());
  }

  /** Who leads, with each beat. */
  heard({ session, facts }: Leader): void {
    if (session !== null) this.#ledAt = this.#elapsed();
    this.#facts = fromLeaderFacts(facts) ?? this.#facts;
    this.tenure?.settlement.noticeCharge();
  }

  /** What the others are told; null while it is not this node that settles. */
  facts(): LeaderFacts | null {
    const { tenure } = this;
    return tenure && toLeaderFacts(tenure.facts());
  }

  /** What was told last by whoever settles; null: nothing yet. */
  told(): SettlingFacts | null {
    return this.tenure?.facts() ?? this.#facts;
  }

  windowSeconds(): bigint {
    return this.#pace().windowSeconds;
  }

  backlog(lanes: number): number | null {
    return backlogOf(this.#pace(), lanes);
  }

  rowWorth(): bigint {
    return this.#pace().rowWorth;
  }

  behindSeconds(): number {
    return this.told()?.behindSeconds ?? 0;
  }

  /** What the operator may settle, with what whoever settles has sent. */
  operatorLimits(): OperatorLimits | null {
    if (this.tenure) return this.tenure.limits();
    return this.#facts ? this.#facts.operator : this.#options.watch.limits();
  }

  /** A run was charged here; who leads hears of the other nodes' with its beat. */
  noticeCharge(): void {
    this.tenure?.settlement.noticeCharge();
  }

  /** As `Settlement.settleNow`, by whoever leads. @throws KhachapuriError `chain_unavailable` */
  async settleNow(): Promise<void> {
    const { tenure } = this;
    if (tenure) await tenure.settlement.settleNow();
    else await this.#options.sender.settleNow();
  }

  pending(): number {
    return this.told()?.pending ?? 0;
  }

  /** Of the operator, where it sends from here. */
  figures(): OperatorFigures {
    return this.tenure?.operator.figures() ?? NO_FIGURES;
  }

  /** What a person must look at, in plain words. */
  alarms(): readonly string[] {
    const silentSeconds = Math.round(this.#silentSeconds());
    const nobody = silentSeconds > this.#options.windowSeconds
      ? [`no node of the fleet has led for ${silentSeconds} s: nothing is settled`]
      : [];
    return [...nobody, ...(this.tenure?.alarms() ?? [])];
  }

  /** Resolves when all that was told has been acted on. */
  async changed(): Promise<void> {
    await this.#changing;
  }

  async close(): Promise<void> {
    this.lost();
    await this.#changing;
  }

  #pace(): SettlingPace {
    if (this.tenure) return this.tenure.settlement.pace();
    const { windowSeconds: most } = this.#options;
    const { windowSeconds, mostSeconds, rowSeconds, rowWorth } = this.#facts ?? {
      ...{ windowSeconds: BigInt(2 * most), mostSeconds: most, rowSeconds: 0, rowWorth: 0n },
    };
    const silentSeconds = this.#silentSeconds();
    return {
      windowSeconds: windowSeconds + BigInt(Math.ceil(2 * silentSeconds)),
      mostSeconds,
      rowSeconds: rowSeconds + silentSeconds,
      rowWorth,
    };
  }

  #silentSeconds(): number {
    return Math.max(0, this.#elapsed() - this.#ledAt - BEATS_MS) / 1_000;
  }

  #change(work: () => Promise<void>): void {
    this.#changing = this.#changing.then(work).catch((error) => {
      this.#options.log.error("the fleet's settlement could not change hands", { error });
    });
  }

  async #open(term: Term): Promise<void> {
    const { open, log } = this.#options;
    while (this.#term === term) {
      try {
        this.#tenure = await open(term);
        return log.info("this node settles for the fleet", { term: term.term });
      } catch (error) {
        log.warn("this node leads and cannot settle yet", { error: wordOf(error) });
        await pause(RETRY_MS);
      }
    }
  }

  async #close(): Promise<void> {
    const tenure = this.#tenure;
    this.#tenure = null;
    if (tenure === null) return;
    await tenure.close();
    this.#options.log.info("this node settles for the fleet no more");
  }
}

function wordOf(error: unknown): string {
  return error instanceof KhachapuriError ? error.shortMessage : String(error);
}
