/**
 * The ledger as everybody above it sees it: who holds a credit, what runs have used, what the
 * escrow has taken, what is due. It decides by itself whether a credit may be held, so what decides
 * can be this process with a file (sqlite_ledger.ts) or, one day, a database that several nodes
 * share; hence the promises. What is answered at once (`knows`, `totals`, …) is what this process
 * last heard, good enough for an early check or a figure, never for a promise.
 */
import type { Address, Hex } from "viem";
import type { Permit } from "../../permit.ts";
import type { Until } from "./group_commit.ts";
import type { Draw, Judgement, PayerView, Source } from "./judge.ts";
import type { Lane, LaneId, Outcome, ReceiptFacts, Segment } from "./journal.ts";
import type { ReceiptedCharge } from "./store.ts";

/** One credit, held on disk until its run has ended. Ending it twice is an error. */
export interface Held {
  readonly payable: true;
  /** The number that the ledger knows it by; its receipt's address is made of it. */
  readonly reservation: number;
  readonly draw: Draw;
  /** Whether calls like this one may find their credits held ahead (prehold.ts). */
  readonly isPooled: boolean;
}

/** What of a receipt only the run knows. */
export type RunFacts = Omit<ReceiptFacts, "charged" | "cid" | "price">;

/** What a payer has left, once one more credit is charged. */
export interface Standing {
  /** The lane's counter with that credit. */
  readonly charged: bigint;
  /** Credits that the payer's next call may have. */
  readonly available: bigint;
}

/** From where the escrow's counters of a payer have to be read at a block. */
export interface Basis {
  /** The lanes whose counter may differ from ours, with the counter that we know; if we do. */
  readonly lanes: ReadonlyMap<Hex, bigint | null>;
  /** Σ settled − opened over all lanes of the payer. */
  readonly settledHere: bigint;
}

/** A lane as the ledger has it now; a copy. */
export type LaneState =
  & Readonly<Omit<Lane, "segments" | "ages" | "opened" | "reserved" | "listed">>
  & {
    readonly segments: Segment[];
  };

/** A lane with credits that the escrow has not taken and that it has not refused. */
export interface DueLane extends LaneId {
  /** The oldest of them was charged no earlier than this, ms since the epoch. */
  readonly since: number;
  /** Of the permit that ends first among those that it is settled by, Unix seconds. */
  readonly deadline: bigint;
  readonly epoch: number;
  /** What the escrow has taken so far, credits. */
  readonly settled: bigint;
  /** What it has not, USDC base units. */
  readonly amount: bigint;
}

/** What the chain told about a lane. */
export type ChainFact =
  /** The escrow took credits, whoever sent it; an older counter than ours changes nothing. */
  | LaneId & { fact: "settled"; settled: bigint; block: bigint; transaction: Hex }
  /** The escrow's counter was read: ours is that, be it lower; a refusal is forgotten. */
  | LaneId & { fact: "level"; settled: bigint; block: bigint }
  /** The escrow refused to settle what is charged. */
  | LaneId & { fact: "refused"; reason: string; transaction: Hex };

/** Sums over all lanes, as this process last heard. Amounts are USDC base units. */
export interface Totals {
  /** What runs have used and the escrow has neither paid nor refused. */
  readonly unsettled: bigint;
  /** What is held and has not ended may still cost. */
  readonly held: bigint;
  /** Of that, what is held for calls that have not come. */
  readonly preheld: bigint;
  /** How many lanes are due. */
  readonly dueLanes: number;
}

/** Figures about all lanes, for `/metrics`. */
export interface LaneFigures {
  /** Lanes with credits that the escrow has not taken. */
  readonly outstanding: number;
  /** Lanes that the escrow refused to settle. */
  readonly refused: number;
  /** What is written off on them, USDC base units. */
  readonly refusedAmount: bigint;
}

export interface Ledger {
  /** Whether one more credit could be held now. */
  judge(draw: Draw, view: PayerView, source: Source): Promise<Judgement>;
  /**
   * Holds one credit, unless what all lanes hold at this moment is against it. On disk when it
   * resolves.
   * @param isPooled false: for a run that goes on, for which no credits are held ahead as nobody
   * waits for it; by default true where the allowance pays
   * @throws KhachapuriError `overloaded` when the ledger cannot be written
   */
  hold(
    draw: Draw,
    view: PayerView,
    source: Source,
    isPooled?: boolean,
  ): Promise<Held | Extract<Judgement, { payable: false }>>;
  /**
   * The run has ended and costs its credit. When it resolves no end of this process can undo it.
   * @param until "disk" by default where there is a receipt (`run`); "handed over" leaves the wait
   * to whoever asks for the receipt
   */
  charge(held: Held, outcome: Outcome, run: RunFacts | null, until?: Until): Promise<void>;
  /** The credit is free again. Should this process end before that is written, a start does it. */
  release(held: Held, reason: string): void;
  /** What the payer will have left once this credit is charged. */
  standing(draw: Draw, view: PayerView): Promise<Standing>;
  /** Where the payer's next permit on a lane has to go on. */
  used(lane: LaneId, view: PayerView): Promise<bigint>;
  /**
   * The permit over the most credits of those on a lane that are used up, or null. That it is used
   * up is on disk when it resolves: whoever is given it can never use it.
   * @throws KhachapuriError `overloaded` when the ledger cannot be written
   */
  usedUp(lane: LaneId): Promise<Permit | null>;

  /** Credits on all lanes of a payer that calls have used or hold and the escrow has not taken. */
  unsettled(payer: Address): bigint;

  /** Whether a payer has ever had a lane here, or that one. */
  knows(payer: Address, lane?: Hex): boolean;
  /** What to read of the escrow at `block` to know a payer's ceiling, for a call on `lane`. */
  basis(payer: Address, lane: Hex, block: bigint): Promise<Basis>;

  /**
   * Every lane that was due at the moment of asking and still is; found without a look at any
   * other, in slices, so that calls do not wait for it.
   */
  due(): Promise<DueLane[]>;
  /** One payer's lanes that are due. */
  dueOf(payer: Address): Promise<DueLane[]>;
  lane(id: LaneId): Promise<LaneState | undefined>;
  /** Lanes that rest on what was told of blocks above `block`, and all that the escrow refused. */
  unsure(block: bigint): Promise<LaneState[]>;
  /** Lanes that rest on what was told of blocks above `block`. */
  settledAbove(block: bigint): Promise<LaneState[]>;
  /** Of one payer, what the escrow refused. */
  refused(payer: Address): Promise<LaneState[]>;
  /** Writes down what the chain told; facts about lanes that were never opened are passed over. */
  record(facts: readonly ChainFact[]): Promise<void>;

  /** The charge that a receipt is about, on disk when it resolves; undefined when there is none. */
  receipted(reservation: number): Promise<ReceiptedCharge | undefined>;
  totals(): Totals;
  figures(): Promise<LaneFigures>;
  /** Gives back what is held for calls that have not come; no more is. */
  stopHolding(): void;
  close(): Promise<void>;
}
