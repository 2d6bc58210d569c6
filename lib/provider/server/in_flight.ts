/** What is under way at one instance: requests, tunnels, and places taken for what is to come. */
import { TransientSet } from "../../transient_set.ts";
import type { Death, SentRequest } from "./sent_request.ts";

export class InFlight {
  /** Places taken, by requests and for requests to come; tunnels take none. */
  seats = 0;
  /** Requests that were answered. */
  answered = 0;
  /** Tunnels, and requests that may become some. */
  upgrades = 0;
  readonly #requests = new TransientSet<SentRequest>();
  readonly #tunnels = new Set<SentRequest>();
  /** When the first of them is due, or earlier. */
  #nextDueAt = Infinity;

  get tunnels(): number {
    return this.#tunnels.size;
  }

  /** Whether the instance has nothing to do. */
  get isQuiet(): boolean {
    return this.#requests.size === 0;
  }

  /** Whether nobody needs the instance. */
  get isEmpty(): boolean {
    return this.seats === 0 && this.#requests.size === 0;
  }

  /** It has a seat. */
  add(request: SentRequest): void {
    this.#requests.add(request);
    if (request.isUpgrade) this.upgrades += 1;
    this.#nextDueAt = Math.min(this.#nextDueAt, request.dueAt);
  }

  /** Its seat is free from now on. */
  tunnelled(request: SentRequest): void {
    this.#tunnels.add(request);
    this.seats -= 1;
    this.answered += 1;
  }

  /** @returns whether that makes a seat free */
  remove(request: SentRequest, isAnswered: boolean): boolean {
    this.#requests.delete(request);
    if (request.isUpgrade) this.upgrades -= 1;
    if (this.#tunnels.delete(request)) return false;
    this.seats -= 1;
    if (isAnswered) this.answered += 1;
    return true;
  }

  /** Ends what has outlived its time; returns when the next will have, `Infinity`: none. */
  expire(now: number, onStuck: () => void): number {
    if (now < this.#nextDueAt) return this.#nextDueAt;
    this.#nextDueAt = Infinity;
    for (const request of this.#requests.all()) {
      if (request.dueAt > now) {
        this.#nextDueAt = Math.min(this.#nextDueAt, request.dueAt);
        continue;
      }
      // Before its place is free, which nobody shall get.
      if (request.isStuck()) onStuck();
      request.end("timeout");
    }
    return this.#nextDueAt;
  }

  endTunnels(): void {
    for (const tunnel of [...this.#tunnels]) tunnel.end("aborted");
  }

  die(death: Death): void {
    for (const request of this.#requests.all()) request.die(death);
  }
}
