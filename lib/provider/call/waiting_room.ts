/** Calls that wait for a slot: each is told once what comes of it, and may go at any time. */
import type { Clock } from "../../clock.ts";
import type { KhachapuriError } from "../../errors.ts";
import { hungUp } from "../http/request_body.ts";
import type { SlotUsage } from "../metrics/slot_usage.ts";
import type { FairQueue } from "./fair_queue.ts";
import type { Refusal, Turn } from "./parties.ts";

export type Waiting<Of> = Promise<Of> & {
  /** Its caller has gone: it fails with `invalid_input`, and leaves nothing behind. */
  giveUp(): void;
};

export interface WaitFor<Of> {
  /** What is waited for. */
  readonly got: Of;
  /** Why it is not had. */
  told(refusal: Refusal): KhachapuriError;
  /** It is not had. */
  undo(): void;
}

/** Whether somebody has waited for too long is looked at no more often, ms. */
const LOOK_MS = 100;

export class WaitingRoom {
  #cancelLook: (() => void) | null = null;

  constructor(
    private readonly queue: FairQueue,
    private readonly clock: Clock,
    private readonly usage?: Pick<SlotUsage, "waited" | "left">,
  ) {}

  /** @param turn one that waits */
  wait<Of>(turn: Turn, { got, told, undo }: WaitFor<Of>): Waiting<Of> {
    const { promise, resolve, reject } = Promise.withResolvers<Of>();
    const from = turn.since;
    const end = () => {
      turn.settle = null;
      if (this.queue.waiting === 0) this.#lookNoMore();
      this.usage?.waited((this.clock.now() - from) / 1_000);
    };
    turn.settle = (refusal) => {
      end();
      if (refusal === null) return resolve(got);
      undo();
      reject(told(refusal));
    };
    if (this.#cancelLook === null) this.#look(this.queue.waitMs);
    const giveUp = () => {
      if (turn.settle === null) return;
      undo();
      end();
      this.usage?.left();
      reject(hungUp());
    };
    return Object.assign(promise, { giveUp });
  }

  /** All that wait are refused. */
  clear(): void {
    this.queue.clear(this.clock.now());
  }

  #look(inMs: number): void {
    this.#cancelLook = this.clock.after(Math.max(LOOK_MS, Math.ceil(inMs)), () => {
      this.#cancelLook = null;
      const next = this.queue.expire(this.clock.now());
      if (next < Infinity) this.#look(next);
    });
  }

  #lookNoMore(): void {
    this.#cancelLook?.();
    this.#cancelLook = null;
  }
}
