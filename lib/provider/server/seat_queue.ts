/** Requests that wait for a place at an instance, in the order in which they came. */
import type { KhachapuriError } from "../../errors.ts";
import { callerLeft } from "./faults.ts";
import type { Seat } from "./life.ts";

interface Waiter {
  /** When it gives up, unless a start is to bring it a place. */
  dueAt: number;
  /** When it gives up in any case. */
  readonly lastAt: number;
  resolve(seat: Seat): void;
  reject(why: KhachapuriError): void;
}

export interface QueuedSeat {
  readonly seat: Promise<Seat>;
  /** It waits no more; tells whether it did. */
  leave(): boolean;
}

export class SeatQueue {
  #waiting: Waiter[] = [];

  get length(): number {
    return this.#waiting.length;
  }

  wait(dueAt: number, lastAt: number): QueuedSeat {
    const { promise, resolve, reject } = Promise.withResolvers<Seat>();
    const waiter = { dueAt, lastAt, resolve, reject };
    this.#waiting.push(waiter);
    return { seat: promise, leave: () => this.#leave(waiter) };
  }

  /** The longest waiting gets it. */
  serve(seat: Seat): void {
    this.#waiting.shift()?.resolve(seat);
  }

  /** Whoever waits gives up at `dueAt` at the earliest, as far as it waits so long at all. */
  encourage(dueAt: number): void {
    for (const waiter of this.#waiting) waiter.dueAt = Math.max(waiter.dueAt, dueAt);
  }

  /**
   * Tells it to those who have waited for too long; returns when the next will have, if any.
   * @param isStarting whether a start is to bring places
   */
  expire(now: number, isStarting: boolean, why: () => KhachapuriError): number {
    const end = ({ dueAt, lastAt }: Waiter) => isStarting ? lastAt : Math.min(dueAt, lastAt);
    const waiting: Waiter[] = [];
    let next = Infinity;
    for (const waiter of this.#waiting) {
      const at = end(waiter);
      if (at <= now) {
        waiter.reject(why());
      } else {
        waiting.push(waiter);
        next = Math.min(next, at);
      }
    }
    this.#waiting = waiting;
    return next;
  }

  /** Nobody gets one. */
  refuse(why: KhachapuriError): void {
    for (const waiter of this.#waiting.splice(0)) waiter.reject(why);
  }

  #leave(waiter: Waiter): boolean {
    const at = this.#waiting.indexOf(waiter);
    if (at < 0) return false;
    this.#waiting.splice(at, 1);
    waiter.reject(callerLeft());
    return true;
  }
}
