/** A lane as a node knows it, and what is queued for it until its next turn. */
import type { Draw, Judgement, PayerView } from "../judge.ts";
import type { Lane } from "../lane.ts";
import { Ahead } from "./ahead.ts";
import { sessionLost } from "./lost_session.ts";
import type { ChargeRow, LaneTurn, TurnAnswer } from "./turn.ts";

/** One credit that a call waits for. */
export interface Want {
  readonly draw: Draw;
  readonly view: PayerView;
  /** When it came, ms by a clock that only goes on. */
  readonly since: number;
  readonly isPooled: boolean;
  /** Turns that went without it though it was judged payable. */
  tries: number;
  grant(): void;
  /** The database does not know the lane any more: it is to be opened again. */
  reopen(): void;
  refuse(no: Extract<Judgement, { payable: false }>): void;
  fail(error: unknown): void;
}

/**
 * What is said to a call that wants a credit: null, it has it; why not; or that the lane is gone,
 * and to be opened again.
 */
export type Said = Extract<Judgement, { payable: false }> | "gone" | null;

/** A want, and what is said to it. @throws what it fails with */
export function makeWant(
  asked: Pick<Want, "draw" | "view" | "since" | "isPooled">,
): { want: Want; said: Promise<Said> } {
  const { promise: said, resolve, reject } = Promise.withResolvers<Said>();
  const [grant, reopen] = [() => resolve(null), () => resolve("gone")];
  return { want: { ...asked, tries: 0, grant, reopen, refuse: resolve, fail: reject }, said };
}

/** Who waits for a charge to be committed. */
export interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class LaneDesk {
  /** Of this session, that the database may know of. */
  firstTurn: number;
  rows: ChargeRow[] = [];
  releases = 0;
  wants: Want[] = [];
  waiters: Waiter[] = [];
  readonly ahead: Ahead;
  /** What the last pooled call was judged on: for credits that are held ahead. */
  pooled: Pick<Want, "draw" | "view"> | null = null;
  /** Credits that runs of this node hold. */
  runs = 0;
  /** Sweeps since it was used. */
  idleSweeps = 0;
  /** When the database was asked for what is known, ms; a no is said on nothing older. */
  askedAt = -Infinity;

  /** What each credit that is held ahead may cost, USDC base units. */
  #aheadPrice = 0n;

  /**
   * @param id in the database
   * @param turn of the last turn that was answered: later ones have other numbers
   * @param countAhead told of credits that are held ahead from now on, or no more, and their amount
   */
  constructor(
    readonly id: string,
    readonly lane: Lane,
    public version: number,
    public turn: number,
    countAhead: (credits: number, amount: bigint) => void,
  ) {
    this.firstTurn = turn + 1;
    this.ahead = new Ahead((by) => {
      if (this.ahead.spare === 0) this.#aheadPrice = this.pooled!.draw.price;
      countAhead(by, BigInt(by) * this.#aheadPrice);
    });
  }

  /** Whether runs have ended whose charges or credits are queued. */
  get isEnding(): boolean {
    return this.rows.length > 0 || this.releases > 0;
  }

  get isQueued(): boolean {
    return this.isEnding || this.wants.length > 0;
  }

  /** Whether the database may know of turns of this session. */
  get isTurned(): boolean {
    return this.turn >= this.firstTurn;
  }

  /** The database knows of none, or of none that counts: a copy of one may come late still. */
  forgetTurns(): void {
    this.firstTurn = this.turn + 1;
  }

  /** Whether no run, call or turn of this node is on it. */
  get isIdle(): boolean {
    return this.runs === 0 && this.ahead.spare === 0 && !this.isQueued;
  }

  /** The ended and released credits that are queued. */
  takeEnded(): { rows: ChargeRow[]; releases: number; waiters: Waiter[] } {
    const { rows, releases, waiters } = this;
    Object.assign(this, { rows: [], releases: 0, waiters: [] });
    return { rows, releases, waiters };
  }

  takeWants(): Want[] {
    const { wants } = this;
    this.wants = [];
    return wants;
  }
}

/** What of a lane is under way. */
export interface Sent {
  readonly desk: LaneDesk;
  readonly turn: LaneTurn;
  readonly wants: readonly Want[];
  /** Credits that are wanted for calls to come. */
  readonly ahead: number;
  readonly waiters: readonly Waiter[];
  /** The lane as it is known has the permits that the turn brings: takes them back. */
  readonly undoPermits: (() => void) | null;
}

/** Who waits for charges hears whether they were carried out. */
export function tellCharged({ waiters }: Sent, fate: TurnAnswer["fate"]): void {
  for (const { resolve, reject } of waiters) {
    if (fate === "lost") reject(sessionLost());
    else resolve();
  }
}
