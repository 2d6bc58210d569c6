/** The slot of one call, from when it has one, or waits, to the end of its run. */
import type { TokenBucket } from "../../token_bucket.ts";
import type { Gate, Turn } from "./parties.ts";
import type { Waiting } from "./waiting_room.ts";

export interface Slot {
  /**
   * Counts one credit more for the run.
   * @param creditMs what one is good for, ms
   * @throws KhachapuriError `rate_limited` beyond the owner's rate, if it pays; `overloaded` while
   * the provider shuts down, or another deployment wants the slot of a run that its owner pays for
   */
  extend(creditMs: number): void;
  /** A credit that was counted so was not used. */
  giveBack(): void;
  /** The call waits before it runs, and keeps nobody else from running meanwhile. */
  stepAside(): void;
  /**
   * The wait is over; the owner's rate is not asked again. It has a slot before all that never had
   * one, but where none is free it waits: null where it need not.
   */
  comeBack(): Waiting<void> | null;
  /**
   * The run has ended, never began, or goes on without it: then `extend` counts its credits, and it
   * has to leave for nobody. Calling it again does nothing.
   */
  free(): void;
  /** The call cost nothing: it does not count against the owner's rate either. */
  undo(): void;
}

/** Of the owner who pays for it. */
export interface OwnersRate {
  readonly bucket: TokenBucket;
  /** @throws KhachapuriError `rate_limited` */
  take(): void;
}

/** What the slots have to do with each that is taken. */
export interface SlotDesk {
  /** @throws KhachapuriError `overloaded` while the provider shuts down */
  assertOpen(): void;
  /** @throws KhachapuriError `overloaded` where another deployment wants the slot */
  assertShare(gate: Gate, creditMs: number): void;
  leave(turn: Turn): void;
  stepAside(turn: Turn): void;
  /** null: it has a slot again. */
  comeBack(turn: Turn): Waiting<void> | null;
}

export class TakenSlot implements Slot {
  /** Whether its run gets no further credit, as another wants its slot. */
  #isLeaving = false;
  #isOver = false;

  /** @param rate null: its caller pays */
  constructor(
    private readonly turn: Turn,
    private readonly rate: OwnersRate | null,
    private readonly desk: SlotDesk,
  ) {}

  free(): void {
    this.#isOver = true;
    this.#leaveNoMore();
    this.desk.leave(this.turn);
  }

  giveBack(): void {
    this.rate?.bucket.giveBack();
  }

  stepAside(): void {
    this.#leaveNoMore();
    this.desk.stepAside(this.turn);
  }

  comeBack(): Waiting<void> | null {
    return this.desk.comeBack(this.turn);
  }

  extend(creditMs: number): void {
    const { turn, rate, desk } = this;
    desk.assertOpen();
    if (rate === null) return;
    if (turn.state === "running") {
      try {
        desk.assertShare(turn.gate, creditMs);
      } catch (error) {
        if (!this.#isLeaving) turn.gate.leaving += 1;
        this.#isLeaving = true;
        throw error;
      }
    }
    rate.take();
  }

  undo(): void {
    if (!this.#isOver) this.giveBack();
    this.free();
  }

  #leaveNoMore(): void {
    if (this.#isLeaving) this.turn.gate.leaving -= 1;
    this.#isLeaving = false;
  }
}
