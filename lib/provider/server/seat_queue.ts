/** Requests that wait for a place at an instance, in the order in which they came. */
import type { KhachapuriError } from "../../errors.ts";
import type { Seat } from "./life.ts";

interface Waiter {
  /** When it gives up. */
  dueAt: number;
  resolve(seat: Seat): void;
  reject(why: KhachapuriError): void;
}

export class SeatQueue {
  #waiting: Waiter[] = [];

  get length(): number {
    return this.#waiting.length;
  }

  wait(dueAt: number): Promise<Seat> {
    return new Promise((resolve, reject) => this.#waiting.push({ dueAt, resolve, reject }));
  }

  /** The longest waiting gets it. */
  serve(seat: Seat): void {
    this.#waiting.shift()?.resolve(seat);
  }

  /** Whoever waits gives up at `dueAt` at the earliest. */
  encourage(dueAt: number): void {
    for (const waiter of this.#waiting) waiter.dueAt = Math.max(waiter.dueAt, dueAt);
  }

  /** Tells it to those who have waited for too long; returns when the next will have, if any. */
  expire(now: number, why: () => KhachapuriError): number {
    const isDue = ({ dueAt }: Waiter) => dueAt <= now;
    for (const waiter of this.#waiting.filter(isDue)) waiter.reject(why());
    this.#waiting = this.#waiting.filter((waiter) => !isDue(waiter));
    return Math.min(Infinity, ...this.#waiting.map(({ dueAt }) => dueAt));
  }

  /** Nobody gets one. */
  refuse(why: KhachapuriError): void {
    for (const waiter of this.#waiting.splice(0)) waiter.reject(why);
  }
}
